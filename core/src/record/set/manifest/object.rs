//! Objects and lists of a JSON text, member by member.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::{PassOver, Text};

/// What reads an object's members.
pub(super) trait Members<'t> {
    /// What the object is, for messages.
    const WHAT: &'static str;
    /// Reads the value of `key`; false, and nothing read, where it isn't known.
    fn member<A: MapAccess<'t>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// What reads a list's items.
pub(super) trait Items<'t> {
    /// What the list is of, for messages.
    const WHAT: &'static str;
    /// Reads an item; false where there is none left.
    fn item<A: SeqAccess<'t>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
}

pub(super) struct Object<'m, M>(pub(super) &'m mut M);

impl<'t, M: Members<'t>> DeserializeSeed<'t> for Object<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t, M: Members<'t>> Visitor<'t> for Object<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(M::WHAT)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            if !self.0.member(&key, &mut map)? {
                map.next_value_seed(PassOver)?;
            }
        }
        Ok(())
    }
}

pub(super) struct List<'m, M>(pub(super) &'m mut M);

impl<'t, M: Items<'t>> DeserializeSeed<'t> for List<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'t, M: Items<'t>> Visitor<'t> for List<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(M::WHAT)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.item(&mut list)? {}
        Ok(())
    }
}

/// A member that is there once.
#[derive(Debug)]
pub(super) struct Once<T>(Option<T>);

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once(None)
    }
}

impl<T> Once<T> {
    pub(super) fn put<E: Error>(&mut self, key: &str, value: T) -> Result<bool, E> {
        if self.0.replace(value).is_some() {
            return Err(E::custom(format_args!("'{key}' stands there twice")));
        }
        Ok(true)
    }

    pub(super) fn take(self) -> Option<T> {
        self.0
    }

    pub(super) fn need<E: Error>(self, key: &str) -> Result<T, E> {
        self.0
            .ok_or_else(|| E::custom(format_args!("'{key}' is missing")))
    }
}
