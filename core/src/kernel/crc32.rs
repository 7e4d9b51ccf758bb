//! CRC-32 (IEEE 802.3): CRC-32/ISO-HDLC of the reveng catalogue.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of `bytes` that come after others whose checksum is `seed`, which is 0 where there
/// are none. Nobody changes them meanwhile.
#[must_use]
pub fn crc32_of(seed: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32IsoHdlc, u64::from(!seed));
    digest.update(bytes);
    // A sum of 32 bits, in the type that has room for the widest that the crate knows.
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_catalogues() {
        // The check value of CRC-32/ISO-HDLC in the reveng catalogue.
        assert_eq!(crc32_of(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32_of(crc32_of(0, b"1234"), b"56789"), 0xCBF4_3926);
        assert_eq!(crc32_of(0, b""), 0);
    }
}
