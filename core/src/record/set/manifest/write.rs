//! A manifest as its text: a shard a line, so that people and their tools can read and compare it.

use std::fmt::Write;

use super::Manifest;
use crate::record::schema::{Field, FieldShape};

impl Manifest {
    /// The text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::from("{\n  \"adit_record_set\": 1,\n");
        // Nothing fails that is written to a string.
        let _ = writeln!(text, "  \"records\": {},", self.records());
        text.push_str("  \"fields\": [");
        for (number, field) in self.schema.fields().iter().enumerate() {
            text.push_str(if number == 0 { "\n    " } else { ",\n    " });
            write_field(&mut text, field);
        }
        text.push_str("\n  ],\n  \"shards\": [");
        for (number, shard) in self.shards.iter().enumerate() {
            text.push_str(if number == 0 { "\n    " } else { ",\n    " });
            let _ = write!(
                text,
                "{{\"file\": {}, \"uuid\": \"{:032x}\", \"records\": {}, \"bytes\": {}, \
                 \"footer\": \"{:016x}\"}}",
                quoted(&shard.file),
                u128::from_be_bytes(shard.uuid),
                shard.records,
                shard.bytes,
                shard.footer
            );
        }
        text.push_str("\n  ],\n  \"metadata\": [");
        for (number, (key, value)) in self.metadata.iter().enumerate() {
            text.push_str(if number == 0 { "\n    " } else { ",\n    " });
            let _ = write!(text, "{{\"key\": {}, ", quoted(key));
            match std::str::from_utf8(value) {
                Ok(value) => {
                    let _ = write!(text, "\"text\": {}}}", quoted(value));
                }
                Err(_) => {
                    text.push_str("\"hex\": \"");
                    for byte in value {
                        let _ = write!(text, "{byte:02x}");
                    }
                    text.push_str("\"}");
                }
            }
        }
        text.push_str(if self.metadata.is_empty() {
            "]\n}\n"
        } else {
            "\n  ]\n}\n"
        });
        text
    }
}

fn write_field(text: &mut String, field: &Field) {
    let dims: &[i64] = match &field.shape {
        FieldShape::Any => &[],
        FieldShape::Dims(dims) => dims,
    };
    let kind = match dims.iter().any(|&dim| dim < 0) {
        true if field.is_bytes => "bytes",
        true => "ragged",
        false => "fixed",
    };
    let dtype = field.dtype.map_or("", |dtype| dtype.name());
    let name = quoted(&field.name);
    let _ = write!(
        text,
        "{{\"name\": {name}, \"dtype\": \"{dtype}\", \"kind\": \"{kind}\", \"shape\": ["
    );
    for (axis, &dim) in dims.iter().enumerate() {
        text.push_str(if axis == 0 { "" } else { ", " });
        let _ = match dim {
            ..0 => write!(text, "null"),
            _ => write!(text, "{dim}"),
        };
    }
    text.push_str("]}");
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
