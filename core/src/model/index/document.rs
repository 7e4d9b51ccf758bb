//! The index's JSON, read in one pass.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::map::not_plain;
use crate::model::fault::Fault;
use crate::model::json::{self, PassOver, Text};
use crate::model::metadata::{Metadata, MetadataKind};
use crate::model::names::{Names, Refusal};

/// What an index says.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    tensors: Names,
    /// The shard of each tensor.
    shard_of: Vec<u32>,
    shards: Names,
    keys: Names,
    values: Vec<Option<Scalar<'t>>>,
    pub(super) has_weight_map: bool,
    fault: Option<Fault>,
}

#[derive(Debug)]
enum Scalar<'t> {
    Text(Cow<'t, str>),
    Number(MetadataKind, u64),
}

impl<'t> Document<'t> {
    pub(super) fn read(text: &'t str) -> Result<Document<'t>, Fault> {
        let mut document = Document {
            text,
            tensors: Names::default(),
            shard_of: Vec::new(),
            shards: Names::default(),
            keys: Names::default(),
            values: Vec::new(),
            has_weight_map: false,
            fault: None,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let result = json.deserialize_map(Root(&mut document));
        match result.and_then(|()| json.end()) {
            Ok(()) => Ok(document),
            Err(error) => Err(document
                .fault
                .take()
                .unwrap_or_else(|| json::fault(text, &error, "the index"))),
        }
    }

    /// How many tensors it names.
    pub(super) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// A tensor's name and its shard.
    pub(super) fn get(&self, number: usize) -> Option<(&str, usize)> {
        let name = std::str::from_utf8(self.tensors.get(number)?).ok()?;
        Some((name, *self.shard_of.get(number)? as usize))
    }

    /// The shard of the tensor called `name`.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let shard = self.shard_of.get(self.tensors.find(name)?)?;
        Some(*shard as usize)
    }

    pub(super) fn shard_name(&self, shard: usize) -> &str {
        let name = self.shards.get(shard).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The shards by their names.
    pub(super) fn shards_in_order(&self) -> Result<Vec<usize>, Fault> {
        let count = self.shards.len();
        let mut order: Vec<usize> = Vec::new();
        order
            .try_reserve_exact(count)
            .map_err(|_| Fault::no_memory((count as u64).saturating_mul(8)))?;
        order.extend(0..count);
        order.sort_unstable_by_key(|&shard| self.shards.get(shard));
        Ok(order)
    }

    /// How many tensors are in a shard, and the first one's name.
    pub(super) fn tensors_of(&self, shard: usize) -> (usize, &str) {
        let own = || self.shard_of.iter().filter(|&&of| of as usize == shard);
        let first = self.shard_of.iter().position(|&of| of as usize == shard);
        let name = first.and_then(|number| self.get(number));
        (own().count(), name.map_or("", |(name, _)| name))
    }

    pub(super) fn give_metadata(&self, metadata: &mut Metadata) -> Result<(), Refusal> {
        for (number, value) in self.values.iter().enumerate() {
            let key = self.keys.get(number).unwrap_or_default();
            match value {
                None => {}
                Some(Scalar::Text(text)) => metadata.add_string(key, text.as_bytes())?,
                Some(Scalar::Number(kind, bits)) => metadata.add_number(key, *kind, *bits)?,
            }
        }
        Ok(())
    }

    /// Notes what is wrong at a piece of the text.
    fn note<E: serde::de::Error>(&mut self, piece: &str, why: String) -> E {
        match json::place(self.text, piece) {
            Some(place) => {
                self.fault
                    .get_or_insert(Fault::malformed(place as u64, why));
                E::custom("")
            }
            None => E::custom(why),
        }
    }
}

fn no_memory<E: serde::de::Error>() -> E {
    E::custom(json::NO_MEMORY)
}

/// The whole object.
struct Root<'d, 't>(&'d mut Document<'t>);

impl<'t> Visitor<'t> for Root<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metadata and weight_map")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let document = self.0;
        let mut has_metadata = false;
        while let Some(key) = map.next_key_seed(Text)? {
            let seen = match &*key {
                "weight_map" => &mut document.has_weight_map,
                "metadata" => &mut has_metadata,
                _ => {
                    map.next_value_seed(PassOver)?;
                    continue;
                }
            };
            if std::mem::replace(seen, true) {
                let why = format!("the index has '{key}' twice");
                return Err(document.note(&key, why));
            }
            if key == "metadata" {
                map.next_value_seed(Values(document))?;
            } else {
                map.next_value_seed(Weights(document))?;
            }
        }
        Ok(())
    }
}

/// `weight_map`.
struct Weights<'d, 't>(&'d mut Document<'t>);

impl<'t> DeserializeSeed<'t> for Weights<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for Weights<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of shards' file names as weight_map")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let document = self.0;
        while let Some(name) = map.next_key_seed(Text)? {
            match document.tensors.add(name.as_bytes()) {
                Ok(_) => {}
                Err(Refusal::Taken(_)) => {
                    let why = format!("the index has tensor '{name}' twice");
                    return Err(document.note(&name, why));
                }
                Err(Refusal::Full) => return Err(no_memory()),
            }
            let shard = map.next_value_seed(Text)?;
            if let Some(what) = not_plain(&shard) {
                let why = format!(
                    "tensor '{name}' is said to be in the shard '{}', which is no plain file \
                     name: {what}",
                    shard.escape_debug()
                );
                return Err(document.note(&shard, why));
            }
            let number = match document.shards.add(shard.as_bytes()) {
                Ok(number) | Err(Refusal::Taken(number)) => u32::try_from(number).ok(),
                Err(Refusal::Full) => None,
            };
            match number {
                Some(number) if document.shard_of.try_reserve(1).is_ok() => {
                    document.shard_of.push(number);
                }
                _ => return Err(no_memory()),
            }
        }
        Ok(())
    }
}

/// `metadata`.
struct Values<'d, 't>(&'d mut Document<'t>);

impl<'t> DeserializeSeed<'t> for Values<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'t> Visitor<'t> for Values<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object as metadata")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let document = self.0;
        while let Some(key) = map.next_key_seed(Text)? {
            match document.keys.add(key.as_bytes()) {
                Ok(_) => {}
                Err(Refusal::Taken(_)) => {
                    let why = format!("metadata has the key '{key}' twice");
                    return Err(document.note(&key, why));
                }
                Err(Refusal::Full) => return Err(no_memory()),
            }
            let value = map.next_value_seed(AnyScalar)?;
            document.values.try_reserve(1).map_err(|_| no_memory())?;
            document.values.push(value);
        }
        Ok(())
    }
}

/// A string, number or boolean; anything else is passed over.
struct AnyScalar;

impl<'t> DeserializeSeed<'t> for AnyScalar {
    type Value = Option<Scalar<'t>>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for AnyScalar {
    type Value = Option<Scalar<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(MetadataKind::Bool, u64::from(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Number(MetadataKind::U64, value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        let bits = value.cast_unsigned();
        Ok(Some(Scalar::Number(MetadataKind::I64, bits)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        let bits = value.to_bits();
        Ok(Some(Scalar::Number(MetadataKind::F64, bits)))
    }

    fn visit_borrowed_str<E>(self, value: &'t str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Borrowed(value))))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Text.visit_str(value).map(|text| Some(Scalar::Text(text)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, seq: A) -> Result<Self::Value, A::Error> {
        PassOver.visit_seq(seq).map(|()| None)
    }

    fn visit_map<A: MapAccess<'t>>(self, map: A) -> Result<Self::Value, A::Error> {
        PassOver.visit_map(map).map(|()| None)
    }
}
