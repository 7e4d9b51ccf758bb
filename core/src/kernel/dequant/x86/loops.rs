//! The loops that each path has in vectors of its own.

/// The loops of a type: stores through the caches, and past them.
macro_rules! both {
    ($run:expr, $block:ty, $n:literal) => {
        Loops {
            cached: $run,
            // SAFETY: whoever calls a `Loop` keeps its promise and has the path's CPU.
            streaming: Some(|from, to, count| unsafe {
                stage::<$block, $n>(from, to, count, $run)
            }),
        }
    };
}

/// Defines them for a path that has these target features. Where it is used, there are `Floats` (a
/// vector), `splat`, `first`, `second` (a lane in all lanes), `mul`, `add`, `sub`, and what stores
/// as many floats as there are quants: `put` what a function makes of 16 signed bytes as floats,
/// and `put_nibbles` what two functions make of the low and of the high ones.
macro_rules! loops {
    ($features:literal) => {
        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn q8_0(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 34 bytes.
                let d = first(unsafe { scale(block) }?);
                for i in 0..2 {
                    // SAFETY: behind the scale there are 32 bytes.
                    let q = unsafe { load(block.wrapping_add(2 + 16 * i)) };
                    let value = |q| mul(q, d);
                    // SAFETY: room for 32 elements.
                    unsafe { put(to.wrapping_add(64 * i), q, value) };
                }
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<legacy::Q8_0, 32>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn q4_0(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 18 bytes.
                let d = first(unsafe { scale(block) }?);
                // SAFETY: behind the scale there are 16 bytes.
                let bytes = unsafe { load(block.wrapping_add(2)) };
                let values = [|q| mul(d, q); 2];
                let quant = |q| less(q, 8);
                // SAFETY: room for 32 elements.
                unsafe { put_nibbles(to, to.wrapping_add(64), bytes, quant, values) };
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<legacy::Q4_0, 32>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn q4_1(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 20 bytes.
                let scales = unsafe { two_scales(block) }?;
                let (d, m) = (first(scales), second(scales));
                // SAFETY: behind the scales there are 16 bytes.
                let bytes = unsafe { load(block.wrapping_add(4)) };
                let values = [|q| add(mul(d, q), m); 2];
                let quant = |q| q;
                // SAFETY: room for 32 elements.
                unsafe { put_nibbles(to, to.wrapping_add(64), bytes, quant, values) };
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<legacy::Q4_1, 32>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn iq4_nl(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 18 bytes.
                let d = first(unsafe { scale(block) }?);
                // SAFETY: behind the scale there are 16 bytes.
                let bytes = unsafe { load(block.wrapping_add(2)) };
                let values = [|q| mul(d, q); 2];
                // SAFETY: room for 32 elements.
                unsafe {
                    put_nibbles(
                        to,
                        to.wrapping_add(64),
                        bytes,
                        |q| look_up(&iq4::IQ4_VALUES, q),
                        values,
                    )
                };
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<iq4::Iq4Nl, 32>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn mxfp4(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 17 bytes.
                let exponent = unsafe { block.read() };
                let d = splat(legacy::half_of_e8m0(exponent));
                // SAFETY: behind the exponent there are 16 bytes.
                let bytes = unsafe { load(block.wrapping_add(1)) };
                let values = [|q| mul(d, q); 2];
                // SAFETY: room for 32 elements.
                unsafe {
                    put_nibbles(
                        to,
                        to.wrapping_add(64),
                        bytes,
                        |q| look_up(&legacy::FP4_DOUBLED, q),
                        values,
                    )
                };
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<legacy::Mxfp4, 32>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn q4_k(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 144 bytes starts with it; any bytes are one.
                let head = unsafe { block.cast::<k::Head>().read() };
                if !head.is_finite() {
                    return None;
                }
                let (scales, mins) = head.scales();
                for i in 0..4 {
                    let values = [2 * i, 2 * i + 1].map(|group| {
                        let (scale, min) = (splat(scales[group]), splat(mins[group]));
                        move |q| sub(mul(scale, q), min)
                    });
                    for j in 0..2 {
                        let at = offset_of!(k::Q4K, qs) + 32 * i + 16 * j;
                        // SAFETY: `at` is up to 128, in a block of 144 bytes.
                        let bytes = unsafe { load(block.wrapping_add(at)) };
                        let low = to.wrapping_add(256 * i + 64 * j);
                        let high = low.wrapping_add(128);
                        let quant = |q| q;
                        // SAFETY: room for 256 elements; these are from 64 i + 16 j and from
                        // 32 after that on.
                        unsafe { put_nibbles(low, high, bytes, quant, values) };
                    }
                }
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<k::Q4K, 256>(from, to, count, decode) };
        }

        /// # Safety
        /// As `Loop`.
        #[target_feature(enable = $features)]
        unsafe fn iq4_xs(from: *const u8, to: *mut u8, count: usize) {
            let decode = |block: *const u8, to: *mut u8| {
                // SAFETY: a block of 136 bytes starts with it; any bytes are one.
                let head = unsafe { block.cast::<iq4::Iq4XsHead>().read() };
                if !head.is_finite() {
                    return None;
                }
                for (i, scale) in head.scales().into_iter().enumerate() {
                    let at = offset_of!(iq4::Iq4Xs, qs) + 16 * i;
                    // SAFETY: `at` is up to 120, in a block of 136 bytes.
                    let bytes = unsafe { load(block.wrapping_add(at)) };
                    let (low, d) = (to.wrapping_add(128 * i), splat(scale));
                    let quant = |q| look_up(&iq4::IQ4_VALUES, q);
                    let values = [|q| mul(d, q); 2];
                    // SAFETY: room for 256 elements; these are from 32 i on.
                    unsafe { put_nibbles(low, low.wrapping_add(64), bytes, quant, values) };
                }
                Some(())
            };
            // SAFETY: the caller's promise.
            unsafe { each::<iq4::Iq4Xs, 256>(from, to, count, decode) };
        }
    };
}
