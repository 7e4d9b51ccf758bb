//! Pieces of JSON texts that formats have: strings, values passed over, and places of faults.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What visitors say where memory runs out; nothing else that is said begins so.
pub(crate) const NO_MEMORY: &str = "out of memory";

/// Where in `text` serde_json stopped, and what it says.
pub(crate) fn told(text: &str, error: &serde_json::Error) -> (usize, String) {
    let before = error.line().saturating_sub(1);
    let lines = text.split_inclusive('\n').take(before);
    let start: usize = lines.map(str::len).sum();
    let place = start.saturating_add(error.column().saturating_sub(1));
    let said = error.to_string();
    let what = said
        .rsplit_once(" at line ")
        .map_or(&*said, |(what, _)| what);
    let place = if error.is_eof() {
        text.len()
    } else {
        place.min(text.len())
    };
    (place, what.to_owned())
}

/// Where a piece of `text` stands in it; none for what isn't a piece of it.
pub(crate) fn place(text: &str, piece: &str) -> Option<usize> {
    let place = piece.as_ptr().addr().checked_sub(text.as_ptr().addr());
    place.filter(|&place| place < text.len())
}

/// A string, borrowed where it has no escapes.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        let mut own = String::new();
        own.try_reserve_exact(text.len())
            .map_err(|_| E::custom(NO_MEMORY))?;
        own.push_str(text);
        Ok(Cow::Owned(own))
    }
}

/// Any value, read and checked as JSON, and dropped.
pub(crate) struct PassOver;

impl<'de> DeserializeSeed<'de> for PassOver {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // Not `deserialize_ignored_any`, which lets bad escapes, numbers too large for a float and
        // any depth pass; this has serde_json's own cap of 128 levels.
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PassOver {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(PassOver)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Text)?.is_some() {
            map.next_value_seed(PassOver)?;
        }
        Ok(())
    }
}
