//! What a pair of dtypes means: every value as an exact number, rounded once into the target.
//!
//! Integers only, so nothing here depends on the CPU or on the state of its floating-point unit.

/// What a [`Number`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From an integer dtype, so that an integer target wraps.
    Integer,
    Finite,
    Infinite,
    /// The significand is the payload, the quiet bit at its top.
    Nan,
}

/// `significand * 2^exponent` with a sign, or what isn't finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) significand: u64,
    pub(super) exponent: i32,
    pub(super) negative: bool,
    pub(super) kind: Kind,
}

/// The layout of a float with a sign, an exponent and a mantissa.
#[derive(Clone, Copy)]
pub(super) struct Format {
    exponent_bits: u32,
    mantissa_bits: u32,
    /// Whether the highest exponent is set aside for infinity and NaNs, as IEEE 754 has it;
    /// otherwise only its highest mantissa is: a NaN.
    ieee: bool,
}

impl Format {
    pub(super) const F16: Format = Format::new(5, 10, true);
    pub(super) const BF16: Format = Format::new(8, 7, true);
    pub(super) const F32: Format = Format::new(8, 23, true);
    pub(super) const F64: Format = Format::new(11, 52, true);
    pub(super) const E4M3FN: Format = Format::new(4, 3, false);
    pub(super) const E5M2: Format = Format::new(5, 2, true);

    const fn new(exponent_bits: u32, mantissa_bits: u32, ieee: bool) -> Format {
        Format {
            exponent_bits,
            mantissa_bits,
            ieee,
        }
    }

    const fn sign(self) -> u64 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    /// The bits of an exponent of all ones over a mantissa of zero: infinity where there is one.
    const fn top(self) -> u64 {
        self.sign() - (1 << self.mantissa_bits)
    }

    pub(super) const fn largest(self) -> u64 {
        if self.ieee {
            self.top() - 1
        } else {
            self.sign() - 2
        }
    }

    /// The exponent of the lowest bit of the smallest numbers.
    const fn lowest(self) -> i32 {
        2 - (1 << (self.exponent_bits - 1)) - self.mantissa_bits as i32
    }

    /// The number of a pattern of bits. A signalling NaN comes out quiet.
    pub(super) const fn unpack(self, bits: u64) -> Number {
        let magnitude = bits & (self.sign() - 1);
        let mantissa = bits & ((1 << self.mantissa_bits) - 1);
        let field = (magnitude >> self.mantissa_bits) as i32;
        let negative = bits & self.sign() != 0;
        let (significand, exponent, kind) = if magnitude <= self.largest() {
            if field == 0 {
                (mantissa, self.lowest(), Kind::Finite)
            } else {
                let significand = mantissa | 1 << self.mantissa_bits;
                (significand, self.lowest() + field - 1, Kind::Finite)
            }
        } else if self.ieee && mantissa == 0 {
            (0, 0, Kind::Infinite)
        } else if self.ieee {
            let payload = mantissa << (64 - self.mantissa_bits);
            (payload | 1 << 63, 0, Kind::Nan)
        } else {
            (1 << 63, 0, Kind::Nan)
        };
        Number {
            significand,
            exponent,
            negative,
            kind,
        }
    }

    /// The bits of a number, rounded to nearest, a tie to even.
    pub(super) const fn pack(self, number: Number, saturate: bool) -> u64 {
        let magnitude = match number.kind {
            Kind::Nan if self.ieee => self.top() | number.significand >> (64 - self.mantissa_bits),
            Kind::Nan => self.sign() - 1,
            Kind::Infinite => self.overflow(saturate),
            Kind::Integer | Kind::Finite => {
                let rounded = self.round(number.significand, number.exponent);
                if rounded > self.largest() {
                    self.overflow(saturate)
                } else {
                    rounded
                }
            }
        };
        magnitude | if number.negative { self.sign() } else { 0 }
    }

    const fn overflow(self, saturate: bool) -> u64 {
        match (saturate, self.ieee) {
            (true, _) => self.largest(),
            (false, true) => self.top(),
            (false, false) => self.sign() - 1,
        }
    }

    /// The bits of a magnitude as if exponents had no upper end.
    const fn round(self, significand: u64, exponent: i32) -> u64 {
        if significand == 0 {
            return 0;
        }
        // Of the result's last bit; the smallest numbers share theirs.
        let leading = exponent + 63 - significand.leading_zeros() as i32;
        let normal = leading - self.mantissa_bits as i32;
        let last = if normal > self.lowest() {
            normal
        } else {
            self.lowest()
        };
        let field = ((last - self.lowest()) as u64) << self.mantissa_bits;
        let drop = last - exponent;
        if drop <= 0 {
            return field + (significand << -drop);
        }
        // From 66 dropped bits on, all of which are 0 or less than half of the last kept one.
        let drop = if drop > 66 { 66 } else { drop };
        let kept = (significand as u128 >> drop) as u64;
        let rest = significand as u128 & ((1 << drop) - 1);
        let half = 1 << (drop - 1);
        let up = rest > half || rest == half && kept & 1 == 1;
        // A mantissa that overflows carries into the exponent, where it belongs.
        field + kept + up as u64
    }
}

/// The number of a pattern of `f8_e8m0`.
pub(super) const fn unpack_e8m0(bits: u8) -> Number {
    let nan = bits == 0xFF;
    Number {
        significand: if nan { 1 << 63 } else { 1 },
        exponent: bits as i32 - 127,
        negative: false,
        kind: if nan { Kind::Nan } else { Kind::Finite },
    }
}

/// The nearest power of two, the higher one from the middle on, and for anything between the two
/// smallest ones: as ml_dtypes and PyTorch do. There is no zero and nothing negative.
pub(super) const fn pack_e8m0(number: Number, saturate: bool) -> u8 {
    const SMALLEST: u8 = 0;
    const LARGEST: u8 = 0xFE;
    const NAN: u8 = 0xFF;
    let positive = !number.negative;
    let rounded = match number.kind {
        Kind::Nan => return NAN,
        Kind::Infinite if positive => i32::MAX,
        Kind::Integer | Kind::Finite if positive && number.significand != 0 => {
            let zeros = number.significand.leading_zeros();
            let field = number.exponent + 63 - zeros as i32 + 127;
            // The leading bit falls out, so the rest starts at the bit of one half.
            let rest = number.significand << zeros << 1;
            let up = if field == 0 {
                rest != 0
            } else {
                rest >> 63 == 1
            };
            if field < 0 { 0 } else { field + up as i32 }
        }
        _ if saturate => return SMALLEST,
        _ => return NAN,
    };
    match rounded {
        ..=0xFE => rounded as u8,
        _ if saturate => LARGEST,
        _ => NAN,
    }
}

/// The number of an integer.
pub(super) const fn unpack_integer(value: i128) -> Number {
    Number {
        significand: value.unsigned_abs() as u64,
        exponent: 0,
        negative: value < 0,
        kind: Kind::Integer,
    }
}

/// The integer part, within the bounds; an integer that is outside wraps when cut to its size,
/// unless it is to saturate.
pub(super) const fn pack_integer(number: Number, least: i128, most: i128, saturate: bool) -> i128 {
    let beyond = number.exponent > 0 && number.significand.leading_zeros() < number.exponent as u32;
    let magnitude = match number.kind {
        Kind::Nan => return 0,
        Kind::Infinite => i128::MAX,
        _ if number.significand == 0 || number.exponent <= -64 => 0,
        _ if beyond => i128::MAX,
        _ if number.exponent >= 0 => (number.significand << number.exponent) as i128,
        _ => (number.significand >> -number.exponent) as i128,
    };
    let value = if number.negative {
        -magnitude
    } else {
        magnitude
    };
    match number.kind {
        Kind::Integer if !saturate => value,
        _ if value < least => least,
        _ if value > most => most,
        _ => value,
    }
}

/// Whether it isn't zero; a NaN isn't.
pub(super) const fn pack_bool(number: Number) -> u8 {
    matches!(number.kind, Kind::Nan | Kind::Infinite) as u8 | (number.significand != 0) as u8
}
