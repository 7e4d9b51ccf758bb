//! Names as those of large language models.

use std::ffi::CString;

use crate::Result;

/// A tensor's name, for Rust and for C.
#[derive(Clone, Debug)]
pub struct Name {
    /// Without a NUL.
    pub text: String,
    /// With one.
    pub c: CString,
}

/// What a layer has.
const PARTS: [&str; 9] = [
    "input_layernorm.weight",
    "mlp.down_proj.weight",
    "mlp.gate_proj.weight",
    "mlp.up_proj.weight",
    "post_attention_layernorm.weight",
    "self_attn.k_proj.weight",
    "self_attn.o_proj.weight",
    "self_attn.q_proj.weight",
    "self_attn.v_proj.weight",
];

impl Name {
    /// So many names.
    ///
    /// # Errors
    /// None: they have no NUL.
    pub fn list(count: usize) -> Result<Vec<Name>> {
        let layers = (0..).flat_map(|layer| PARTS.map(|part| (layer, part)));
        let name = |(layer, part): (usize, &str)| {
            let text = format!("model.layers.{layer}.{part}");
            let c = CString::new(text.as_str())?;
            Ok(Name { text, c })
        };
        layers.take(count).map(name).collect()
    }
}
