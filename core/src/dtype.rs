//! Element types: one table for all formats.
//!
//! Sizes of the ggml block types are those of `GGML_QUANT_SIZES` in the gguf package 0.19.0
//! (which gives Q8_1, a type that lives in memory only, 40 bytes a block); their numbers are
//! ggml's own plus 100.

#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    block_bytes: u32,
    block_elements: u32,
    align: u32,
    npy: Option<&'static str>,
    dlpack: Option<(u8, u8)>,
    safetensors: Option<&'static str>,
}

/// One more than the largest number.
const NUMBERS: usize = 142;

/// What no dtype has.
const NO_ROW: Row = Row {
    name: "",
    block_bytes: 1,
    block_elements: 1,
    align: 1,
    npy: None,
    dlpack: None,
    safetensors: None,
};

macro_rules! table {
    ($(#[doc = $doc:literal] $dtype:ident = $number:literal, $name:literal, $bytes:literal,
       $elements:literal, $align:literal, $npy:expr, $dlpack:expr, $safetensors:tt $(($their:literal))?;)*) => {
        /// The type of a tensor's elements, or of its blocks of elements. Numbers are frozen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[allow(non_camel_case_types, reason = "ggml's own names, Q4_0 and the like")]
        pub enum DType {
            $(#[doc = $doc] $dtype = $number,)*
        }

        impl DType {
            /// Every dtype, in the order of their numbers.
            pub const ALL: &'static [DType] = &[$(DType::$dtype,)*];

            /// The dtype of a name in safetensors files.
            #[must_use]
            pub fn from_safetensors(name: &str) -> Option<DType> {
                // A match and no search: headers of hundreds of thousands of tensors ask for each.
                Some(match name {
                    $($($their => DType::$dtype,)?)*
                    _ => return None,
                })
            }
        }

        /// A row for each number, so that a look-up is one load.
        static ROWS: [Row; NUMBERS] = {
            let mut rows = [NO_ROW; NUMBERS];
            $(rows[$number] = Row {
                name: $name,
                block_bytes: $bytes,
                block_elements: $elements,
                align: $align,
                npy: $npy,
                dlpack: $dlpack,
                safetensors: $safetensors $(($their))?,
            };)*
            rows
        };
    };
}

// number, name, bytes a block, elements a block, alignment, NumPy's type string without its order,
// DLPack's type code and bits, safetensors' name
table! {
    /// One byte: 0 is false, 1 is true.
    Bool = 1, "bool", 1, 1, 1, Some("b1"), Some((6, 8)), Some("BOOL");
    /// Signed, 8 bits.
    I8 = 2, "i8", 1, 1, 1, Some("i1"), Some((0, 8)), Some("I8");
    /// Signed, 16 bits.
    I16 = 3, "i16", 2, 1, 2, Some("i2"), Some((0, 16)), Some("I16");
    /// Signed, 32 bits.
    I32 = 4, "i32", 4, 1, 4, Some("i4"), Some((0, 32)), Some("I32");
    /// Signed, 64 bits.
    I64 = 5, "i64", 8, 1, 8, Some("i8"), Some((0, 64)), Some("I64");
    /// Unsigned, 8 bits.
    U8 = 6, "u8", 1, 1, 1, Some("u1"), Some((1, 8)), Some("U8");
    /// Unsigned, 16 bits.
    U16 = 7, "u16", 2, 1, 2, Some("u2"), Some((1, 16)), Some("U16");
    /// Unsigned, 32 bits.
    U32 = 8, "u32", 4, 1, 4, Some("u4"), Some((1, 32)), Some("U32");
    /// Unsigned, 64 bits.
    U64 = 9, "u64", 8, 1, 8, Some("u8"), Some((1, 64)), Some("U64");
    /// IEEE 754 half.
    F16 = 10, "f16", 2, 1, 2, Some("f2"), Some((2, 16)), Some("F16");
    /// Brain float: the upper half of an f32.
    BF16 = 11, "bf16", 2, 1, 2, None, Some((4, 16)), Some("BF16");
    /// IEEE 754 single.
    F32 = 12, "f32", 4, 1, 4, Some("f4"), Some((2, 32)), Some("F32");
    /// IEEE 754 double.
    F64 = 13, "f64", 8, 1, 8, Some("f8"), Some((2, 64)), Some("F64");
    /// 8 bits, 4 of exponent, no infinity (OCP OFP8).
    F8E4M3FN = 14, "f8_e4m3fn", 1, 1, 1, None, Some((10, 8)), Some("F8_E4M3");
    /// 8 bits, 5 of exponent (OCP OFP8).
    F8E5M2 = 15, "f8_e5m2", 1, 1, 1, None, Some((12, 8)), Some("F8_E5M2");
    /// 8 bits of exponent: a power of two (OCP MX).
    F8E8M0 = 16, "f8_e8m0", 1, 1, 1, None, Some((14, 8)), Some("F8_E8M0");
    /// Two f32: real, imaginary.
    Complex64 = 17, "complex64", 8, 1, 4, Some("c8"), Some((5, 64)), Some("C64");
    /// Two f64: real, imaginary.
    Complex128 = 18, "complex128", 16, 1, 8, Some("c16"), Some((5, 128)), None;
    /// 8 bits, 4 of exponent, no infinity, no negative zero.
    F8E4M3FNUZ = 19, "f8_e4m3fnuz", 1, 1, 1, None, Some((11, 8)), Some("F8_E4M3FNUZ");
    /// 8 bits, 5 of exponent, no infinity, no negative zero.
    F8E5M2FNUZ = 20, "f8_e5m2fnuz", 1, 1, 1, None, Some((13, 8)), Some("F8_E5M2FNUZ");
    /// 6 bits, 2 of exponent (OCP MX): 4 elements in 3 bytes, on across rows.
    F6E2M3 = 21, "f6_e2m3", 3, 4, 1, None, None, Some("F6_E2M3");
    /// 6 bits, 3 of exponent (OCP MX): 4 elements in 3 bytes, on across rows.
    F6E3M2 = 22, "f6_e3m2", 3, 4, 1, None, None, Some("F6_E3M2");
    /// 4 bits, 2 of exponent (OCP MX): 2 elements in a byte, on across rows.
    F4E2M1 = 23, "f4_e2m1", 1, 2, 1, None, None, Some("F4");
    /// ggml Q4_0: 32 elements in 18 bytes.
    Q4_0 = 102, "q4_0", 18, 32, 2, None, None, None;
    /// ggml Q4_1: 32 elements in 20 bytes.
    Q4_1 = 103, "q4_1", 20, 32, 2, None, None, None;
    /// ggml Q5_0: 32 elements in 22 bytes.
    Q5_0 = 106, "q5_0", 22, 32, 2, None, None, None;
    /// ggml Q5_1: 32 elements in 24 bytes.
    Q5_1 = 107, "q5_1", 24, 32, 2, None, None, None;
    /// ggml Q8_0: 32 elements in 34 bytes.
    Q8_0 = 108, "q8_0", 34, 32, 2, None, None, None;
    /// ggml Q8_1: 32 elements in 40 bytes.
    Q8_1 = 109, "q8_1", 40, 32, 4, None, None, None;
    /// ggml Q2_K: 256 elements in 84 bytes.
    Q2K = 110, "q2_k", 84, 256, 2, None, None, None;
    /// ggml Q3_K: 256 elements in 110 bytes.
    Q3K = 111, "q3_k", 110, 256, 2, None, None, None;
    /// ggml Q4_K: 256 elements in 144 bytes.
    Q4K = 112, "q4_k", 144, 256, 2, None, None, None;
    /// ggml Q5_K: 256 elements in 176 bytes.
    Q5K = 113, "q5_k", 176, 256, 2, None, None, None;
    /// ggml Q6_K: 256 elements in 210 bytes.
    Q6K = 114, "q6_k", 210, 256, 2, None, None, None;
    /// ggml Q8_K: 256 elements in 292 bytes.
    Q8K = 115, "q8_k", 292, 256, 4, None, None, None;
    /// ggml IQ2_XXS: 256 elements in 66 bytes.
    Iq2Xxs = 116, "iq2_xxs", 66, 256, 2, None, None, None;
    /// ggml IQ2_XS: 256 elements in 74 bytes.
    Iq2Xs = 117, "iq2_xs", 74, 256, 2, None, None, None;
    /// ggml IQ3_XXS: 256 elements in 98 bytes.
    Iq3Xxs = 118, "iq3_xxs", 98, 256, 2, None, None, None;
    /// ggml IQ1_S: 256 elements in 50 bytes.
    Iq1S = 119, "iq1_s", 50, 256, 2, None, None, None;
    /// ggml IQ4_NL: 32 elements in 18 bytes.
    Iq4Nl = 120, "iq4_nl", 18, 32, 2, None, None, None;
    /// ggml IQ3_S: 256 elements in 110 bytes.
    Iq3S = 121, "iq3_s", 110, 256, 2, None, None, None;
    /// ggml IQ2_S: 256 elements in 82 bytes.
    Iq2S = 122, "iq2_s", 82, 256, 2, None, None, None;
    /// ggml IQ4_XS: 256 elements in 136 bytes.
    Iq4Xs = 123, "iq4_xs", 136, 256, 2, None, None, None;
    /// ggml IQ1_M: 256 elements in 56 bytes.
    Iq1M = 129, "iq1_m", 56, 256, 1, None, None, None;
    /// ggml TQ1_0: 256 elements in 54 bytes.
    Tq1_0 = 134, "tq1_0", 54, 256, 2, None, None, None;
    /// ggml TQ2_0: 256 elements in 66 bytes.
    Tq2_0 = 135, "tq2_0", 66, 256, 2, None, None, None;
    /// ggml MXFP4: 32 elements in 17 bytes.
    Mxfp4 = 139, "mxfp4", 17, 32, 1, None, None, None;
    /// ggml NVFP4: 64 elements in 36 bytes.
    Nvfp4 = 140, "nvfp4", 36, 64, 1, None, None, None;
    /// ggml Q1_0: 128 elements in 18 bytes.
    Q1_0 = 141, "q1_0", 18, 128, 2, None, None, None;
}

impl DType {
    fn row(self) -> &'static Row {
        ROWS.get(self as usize).unwrap_or(&NO_ROW)
    }

    /// The name, in lower case: `"f32"`, `"q4_0"`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The frozen number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Bytes a block: of an element, where the dtype isn't a block type.
    #[must_use]
    pub fn block_bytes(self) -> u32 {
        self.row().block_bytes
    }

    /// Elements a block: 1 where the dtype isn't a block type.
    #[must_use]
    pub fn block_elements(self) -> u32 {
        self.row().block_elements
    }

    /// Whether elements come in blocks of more than one, so that a single one has no address.
    #[must_use]
    pub fn is_block(self) -> bool {
        self.block_elements() > 1
    }

    /// The alignment in bytes that a borrowed pointer to this dtype must have.
    #[must_use]
    pub fn align(self) -> u32 {
        self.row().align
    }

    /// NumPy's type string without its byte order character, such as `f4`.
    #[must_use]
    pub fn npy(self) -> Option<&'static str> {
        self.row().npy
    }

    /// DLPack 1.1's type code, and bits an element.
    #[must_use]
    pub fn dlpack(self) -> Option<(u8, u8)> {
        self.row().dlpack
    }

    /// The dtype of DLPack's type code and bits.
    #[must_use]
    pub fn from_dlpack(code: u8, bits: u8) -> Option<DType> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.dlpack() == Some((code, bits)))
    }

    /// The name in safetensors files (those of the safetensors crate 0.8).
    #[must_use]
    pub fn safetensors(self) -> Option<&'static str> {
        self.row().safetensors
    }

    /// ggml's number of the type, as GGUF files have it.
    #[must_use]
    pub fn ggml(self) -> Option<u32> {
        Some(match self {
            DType::F32 => 0,
            DType::F16 => 1,
            DType::I8 => 24,
            DType::I16 => 25,
            DType::I32 => 26,
            DType::I64 => 27,
            DType::F64 => 28,
            DType::BF16 => 30,
            _ => return u32::try_from(self.number()).ok()?.checked_sub(100),
        })
    }

    /// The dtype of ggml's number.
    #[must_use]
    pub fn from_ggml(number: u32) -> Option<DType> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.ggml() == Some(number))
    }

    /// Whether elements of less than a byte are packed on from row to row, so that only all of
    /// them need to make whole blocks.
    #[must_use]
    pub fn is_packed(self) -> bool {
        matches!(self, DType::F6E2M3 | DType::F6E3M2 | DType::F4E2M1)
    }

    /// Whether the byte order matters: elements of several bytes, or blocks with such parts.
    #[must_use]
    pub fn is_swappable(self) -> bool {
        self.block_bytes() > 1 && !self.is_packed()
    }

    /// The dtype of a frozen number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<DType> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.number() == number)
    }

    /// The dtype of a name, as [`DType::name`] gives it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        Self::ALL.iter().copied().find(|dtype| dtype.name() == name)
    }

    /// The dtype of a NumPy type string without its byte order character.
    #[must_use]
    pub fn from_npy(descr: &str) -> Option<DType> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.npy() == Some(descr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_one_to_one() {
        for &dtype in DType::ALL {
            assert_eq!(DType::from_number(dtype.number()), Some(dtype));
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
            assert!(
                dtype
                    .npy()
                    .is_none_or(|npy| DType::from_npy(npy) == Some(dtype))
            );
            assert_eq!(dtype.dlpack().is_some(), !dtype.is_block());
            let safetensors = dtype.safetensors().map(DType::from_safetensors);
            assert!(safetensors.is_none_or(|found| found == Some(dtype)));
            let ggml = dtype.ggml().map(DType::from_ggml);
            assert!(
                ggml.is_none_or(|found| found == Some(dtype)),
                "{}",
                dtype.name()
            );
            assert!(dtype.dlpack().is_none_or(|(code, bits)| {
                DType::from_dlpack(code, bits) == Some(dtype)
                    && u32::from(bits) == 8 * dtype.block_bytes()
            }));
            assert!(dtype.align().is_power_of_two() && dtype.block_bytes() > 0);
        }
        assert_eq!(DType::ALL.len(), 49);
        assert_eq!(DType::from_number(0), None);
        assert_eq!(DType::from_name(""), None);
    }

    #[test]
    fn sizes() {
        assert_eq!(
            (DType::Q4_0.block_bytes(), DType::Q4_0.block_elements()),
            (18, 32)
        );
        assert_eq!(
            (DType::Complex128.block_bytes(), DType::Complex128.align()),
            (16, 8)
        );
        assert!(DType::Q6K.is_block() && !DType::F8E8M0.is_block());
    }
}
