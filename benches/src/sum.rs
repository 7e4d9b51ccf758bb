//! The sum of bytes at the speed of memory: what stands for "every byte was used".

/// The sum of all bytes, each as a number: with the widest loads that the CPU has, so that the time
/// is the memory's.
#[must_use]
pub fn sum(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the CPU has AVX-512BW, and so AVX-512F.
            return unsafe { x86::sum_avx512(bytes) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return unsafe { x86::sum_avx2(bytes) };
        }
    }
    sum_plainly(bytes)
}

fn sum_plainly(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::sum_plainly;

    macro_rules! sum_by {
        ($name:ident, $features:literal, $register:ty, $zero:ident, $load:ident, $sad:ident,
         $add:ident) => {
            #[target_feature(enable = $features)]
            pub fn $name(bytes: &[u8]) -> u64 {
                const WIDTH: usize = size_of::<$register>();
                let mut sums = [$zero(); 4];
                let mut strips = bytes.chunks_exact(4 * WIDTH);
                for strip in &mut strips {
                    for (sum, part) in sums.iter_mut().zip(strip.chunks_exact(WIDTH)) {
                        // SAFETY: `part` has as many bytes as are loaded, at any alignment.
                        let loaded = unsafe { $load(part.as_ptr().cast()) };
                        *sum = $add(*sum, $sad(loaded, $zero()));
                    }
                }
                let all = $add($add(sums[0], sums[1]), $add(sums[2], sums[3]));
                // SAFETY: both are WIDTH plain bytes.
                let lanes: [u64; WIDTH / 8] = unsafe { std::mem::transmute(all) };
                lanes.iter().sum::<u64>() + sum_plainly(strips.remainder())
            }
        };
    }

    sum_by!(
        sum_avx512,
        "avx512f,avx512bw",
        __m512i,
        _mm512_setzero_si512,
        _mm512_loadu_si512,
        _mm512_sad_epu8,
        _mm512_add_epi64
    );
    sum_by!(
        sum_avx2,
        "avx2",
        __m256i,
        _mm256_setzero_si256,
        _mm256_loadu_si256,
        _mm256_sad_epu8,
        _mm256_add_epi64
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_plain_loop() {
        let bytes: Vec<u8> = (0..2000_u32).map(|i| (i * 37 % 251) as u8).collect();
        for start in [0, 1, 5] {
            for len in [0, 1, 63, 64, 128, 255, 256, 257, 1000, 1900] {
                let part = &bytes[start..start + len];
                assert_eq!(sum(part), sum_plainly(part), "{len} bytes at {start}");
            }
        }
    }
}
