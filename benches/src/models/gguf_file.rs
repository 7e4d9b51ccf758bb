//! A GGUF file as converters write it: a vocabulary of 256 k tokens with scores, types and merges,
//! and some hundred tensors. The layout is that of ggml's `docs/gguf.md`, version 3.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::Result;
use crate::data::Random;

/// The tokens, and as many merges.
pub const VOCABULARY: usize = 256 << 10;
/// The tensors.
pub const TENSORS: usize = 300;
/// The key of the tokens.
pub const TOKENS: &str = "tokenizer.ggml.tokens";

const ALIGNMENT: usize = 32;

const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// ggml's number of a type, the bytes of 32 elements.
const TYPES: [(u32, usize); 3] = [(0, 128), (1, 64), (8, 34)];

/// The tensors' dimensions, innermost first.
const DIMS: [usize; 2] = [64, 2];

/// Token `number`: letters of its own length, and which it is.
#[must_use]
pub fn token(number: usize) -> String {
    let mut random = Random(number as u64);
    let letters = 1 + random.below(6) as usize;
    let letter = |_| char::from(b'a' + random.below(26) as u8);
    let letters: String = (0..letters).map(letter).collect();
    format!("{letters}{number:x}")
}

/// Writes the file.
///
/// # Errors
/// The system's.
pub fn write(path: &Path) -> Result<()> {
    let mut file = Bytes(b"GGUF".to_vec());
    file.u32(3);
    file.u64(TENSORS);
    file.u64(9);
    file.text_value("general.architecture", "llama");
    file.text_value("general.name", "vocabulary");
    file.number_value("general.alignment", ALIGNMENT as u32);
    file.number_value("llama.block_count", 32);
    file.text_value("tokenizer.ggml.model", "gpt2");
    file.array(TOKENS, STRING);
    (0..VOCABULARY).for_each(|number| file.text(&token(number)));
    file.array("tokenizer.ggml.scores", F32);
    (0..VOCABULARY).for_each(|number| file.0.extend((-(number as f32)).to_le_bytes()));
    file.array("tokenizer.ggml.token_type", I32);
    (0..VOCABULARY).for_each(|_| file.u32(1));
    file.array("tokenizer.ggml.merges", STRING);
    (0..VOCABULARY).for_each(|number| {
        let (left, right) = (token(number), token(number / 2));
        file.text(&format!("{left} {right}"));
    });
    let mut offset = 0;
    for number in 0..TENSORS {
        let (own_type, bytes) = TYPES[number % TYPES.len()];
        file.text(&tensor(number));
        file.u32(DIMS.len() as u32);
        DIMS.iter().for_each(|&dim| file.u64(dim));
        file.u32(own_type);
        file.u64(offset);
        offset += (DIMS.iter().product::<usize>() / 32 * bytes).next_multiple_of(ALIGNMENT);
    }
    let start = file.0.len().next_multiple_of(ALIGNMENT);
    file.0.resize(start + offset, 0);
    let mut out = File::create(path)?;
    out.write_all(&file.0)?;
    Ok(out.sync_all()?)
}

/// The name of a tensor.
#[must_use]
pub fn tensor(number: usize) -> String {
    format!("blk.{}.part_{}.weight", number / 9, number % 9)
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len());
        self.0.extend(text.as_bytes());
    }

    fn text_value(&mut self, key: &str, value: &str) {
        self.text(key);
        self.u32(STRING);
        self.text(value);
    }

    fn number_value(&mut self, key: &str, value: u32) {
        self.text(key);
        self.u32(U32);
        self.u32(value);
    }

    /// The head of an array of as many elements as there are tokens.
    fn array(&mut self, key: &str, own_type: u32) {
        self.text(key);
        self.u32(ARRAY);
        self.u32(own_type);
        self.u64(VOCABULARY);
    }
}
