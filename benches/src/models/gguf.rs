//! A GGUF file with a large vocabulary: opened, and its tokens read, against candle's reader.
//!
//! The peer is given the mapped file's bytes, which is the fastest way, and the file itself, as
//! its own examples do it: that is a system call for every field.

use super::gguf_file;
use crate::adit::Model;
use crate::{Context, Result};

/// Runs the benchmark.
///
/// # Errors
/// A side's, or values that differ.
pub fn run(context: &Context) -> Result<()> {
    let file = context.scratch.file("vocabulary.gguf");
    gguf_file::write(&file)?;
    check(&Model::open(&file)?)?;
    println!(
        "# {} tokens and as many merges, {} tensors, a file of {} bytes in the page cache",
        gguf_file::VOCABULARY,
        gguf_file::TENSORS,
        file.metadata()?.len()
    );
    #[cfg(feature = "heavy-peers")]
    return candle::measure(context, &file);
    #[cfg(not(feature = "heavy-peers"))]
    {
        println!("# skipped: candle, which the cargo feature heavy-peers brings");
        Ok(())
    }
}

fn check(ours: &Model) -> Result<()> {
    let (tokens, count) = ours.array(TOKENS)?;
    if (ours.len(), ours.keys(), count) != (gguf_file::TENSORS, 9, gguf_file::VOCABULARY as u64) {
        return Err("other numbers of tensors, keys or tokens than were written".into());
    }
    for number in 0..gguf_file::VOCABULARY {
        if ours.array_string(tokens, number as u64)? != gguf_file::token(number).as_bytes() {
            return Err(format!("another token {number} than was written").into());
        }
    }
    for number in 0..ours.len() {
        if ours.name(number)?.to_bytes() != gguf_file::tensor(number).as_bytes() {
            return Err(format!("another name of tensor {number} than was written").into());
        }
    }
    Ok(())
}

const TOKENS: &std::ffi::CStr = c"tokenizer.ggml.tokens";

#[cfg(feature = "heavy-peers")]
mod candle {
    use std::fs::File;
    use std::hint::black_box;
    use std::io::{Cursor, Read, Seek};

    use candle_core::quantized::gguf_file::Content;

    use super::{TOKENS, gguf_file};
    use crate::adit::Model;
    use crate::harness::{Side, Unit, interleave, report, time};
    use crate::memory::PlainMap;
    use crate::scratch::ScratchFile;
    use crate::{CANDLE, Context, Result};

    /// Opens of ours in a run.
    const OPENS: usize = 10;

    pub(super) fn measure(context: &Context, file: &ScratchFile) -> Result<()> {
        let map = PlainMap::open(file)?;
        let peer = content(Cursor::new(map.bytes()))?;
        let ours = Model::open(file)?;
        if peer.tensor_infos.len() != ours.len() || peers_tokens(&peer)? != token_bytes(&ours)? {
            return Err("the library and the peer differ".into());
        }
        drop((peer, ours, map));

        let ours = |tokens: bool| {
            time(OPENS, || {
                for _ in 0..OPENS {
                    let model = Model::open(black_box(file))?;
                    if tokens {
                        black_box(token_bytes(&model)?);
                    }
                }
                Ok(())
            })
        };
        let peer_mapped = |tokens: bool| {
            time(1, || {
                let map = PlainMap::open(black_box(file))?;
                let peer = content(Cursor::new(map.bytes()))?;
                if tokens {
                    black_box(peers_tokens(&peer)?);
                }
                Ok(())
            })
        };
        let peer_file = || time(1, || content(File::open(black_box(&**file))?).map(drop));
        let sides: [Side<'_, 1>; 5] = [
            Box::new(|_| Ok([ours(false)?])),
            Box::new(|_| Ok([peer_mapped(false)?])),
            Box::new(|_| Ok([peer_file()?])),
            Box::new(|_| Ok([ours(true)?])),
            Box::new(|_| Ok([peer_mapped(true)?])),
        ];
        let [[open], [peer_open], [peer_file], [read], [peer_read]] =
            interleave(context.rounds, sides)?;
        let name = "open and close, GGUF with 256 k tokens and merges";
        let mapped = format!("Content::read over a mapped file, {CANDLE}");
        let unbuffered = format!("Content::read over a File, {CANDLE}");
        report(name, Unit::Time, &open, &peer_open, &mapped);
        report(name, Unit::Time, &open, &peer_file, &unbuffered);
        let name = "open, read all tokens, close, GGUF with 256 k tokens and merges";
        report(name, Unit::Time, &read, &peer_read, &mapped);
        Ok(())
    }

    /// Looks at every token; tells the bytes of all.
    fn token_bytes(model: &Model) -> Result<usize> {
        let (tokens, count) = model.array(TOKENS)?;
        let mut bytes = 0;
        for index in 0..count {
            bytes += model.array_string(tokens, index)?.len();
        }
        Ok(bytes)
    }

    fn content(mut reader: impl Read + Seek) -> Result<Content> {
        Ok(Content::read(&mut reader)?)
    }

    fn peers_tokens(peer: &Content) -> Result<usize> {
        let tokens = peer.metadata.get(gguf_file::TOKENS);
        let tokens = tokens.ok_or("the peer has no tokens")?.to_vec()?;
        let mut bytes = 0;
        for token in tokens {
            bytes += token.to_string()?.len();
        }
        Ok(bytes)
    }
}
