//! The header's JSON, read in one pass into flat lists.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{PREFIX, canonical};
use crate::dtype::DType;
use crate::model::fault::Fault;
use crate::model::json::{self, PassOver, Text};
use crate::model::metadata::Metadata;
use crate::model::names::{Names, Refusal};

/// What a header says, unchecked but for its form.
#[derive(Debug)]
pub(super) struct Header<'h> {
    pub(super) text: &'h str,
    pub(super) pending: Vec<Pending>,
    pub(super) dims: Vec<i64>,
    /// The names that were written with escapes.
    decoded: String,
    pub(super) keys: Names,
    pub(super) values: Vec<Cow<'h, str>>,
    /// What was found wrong, where serde_json can only say that something is.
    fault: Option<Fault>,
    /// The tensor that is being read.
    current: Option<Name>,
}

/// A tensor, as the header has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) name: Name,
    pub(super) dims: u32,
    pub(super) ndim: u32,
    pub(super) dtype: DType,
}

/// A name in the header, or in the names that were decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    start: u32,
    len: u32,
    /// Where it stands in the header; where the name before does, if it was decoded.
    place: u32,
    decoded: bool,
}

impl Name {
    /// A name that stands in the header as it is.
    pub(super) fn in_text(start: usize, len: usize) -> Option<Name> {
        let start = u32::try_from(start).ok()?;
        Some(Name {
            start,
            len: u32::try_from(len).ok()?,
            place: start,
            decoded: false,
        })
    }
}

impl Pending {
    pub(super) fn name_len(&self) -> usize {
        self.name.len as usize
    }

    /// Where its name stands in the file; where the header does, if that isn't known.
    pub(super) fn offset(&self) -> u64 {
        let place = if self.name.decoded {
            0
        } else {
            self.name.place
        };
        PREFIX.saturating_add(u64::from(place))
    }

    /// Grows from each tensor of the header to the next.
    pub(super) fn order(&self) -> (u32, bool, u32) {
        (self.name.place, self.name.decoded, self.name.start)
    }
}

impl<'h> Header<'h> {
    /// Reads a header; it is shorter than 2^32 bytes.
    pub(super) fn read(text: &'h str) -> Result<Header<'h>, Fault> {
        let mut header = Header::new(text);
        match canonical::read(&mut header) {
            Some(()) => Ok(header),
            None => Header::read_json(text),
        }
    }

    pub(super) fn new(text: &'h str) -> Header<'h> {
        Header {
            text,
            pending: Vec::new(),
            dims: Vec::new(),
            decoded: String::new(),
            keys: Names::default(),
            values: Vec::new(),
            fault: None,
            current: None,
        }
    }

    /// Reads a header of any form that JSON has for it.
    pub(super) fn read_json(text: &'h str) -> Result<Header<'h>, Fault> {
        let mut header = Header::new(text);
        let mut json = serde_json::Deserializer::from_str(text);
        let result = json.deserialize_map(Root(&mut header));
        match result.and_then(|()| json.end()) {
            Ok(()) => Ok(header),
            Err(error) => Err(header.explain(&error)),
        }
    }

    /// What was wrong, from what was noted or else from what serde_json says.
    fn explain(&mut self, error: &serde_json::Error) -> Fault {
        let tensor = self.current.map(|name| self.text_of(name).to_owned());
        let mut fault = self.fault.take().unwrap_or_else(|| {
            let mut fault = json::fault(self.text, error, "the header");
            fault.offset = fault.offset.saturating_add(PREFIX);
            fault
        });
        fault.tensor = tensor;
        fault
    }

    pub(super) fn sort(&mut self) {
        if !self
            .pending
            .is_sorted_by_key(|pending| (pending.begin, pending.end))
        {
            // A stable sort takes memory by the file's wish.
            self.pending
                .sort_unstable_by_key(|pending| (pending.begin, pending.end, pending.order()));
        }
    }

    pub(super) fn name(&self, pending: &Pending) -> &str {
        self.text_of(pending.name)
    }

    fn text_of(&self, name: Name) -> &str {
        let (start, len) = (name.start as usize, name.len as usize);
        let text = if name.decoded {
            &self.decoded
        } else {
            self.text
        };
        text.get(start..start.saturating_add(len))
            .unwrap_or_default()
    }

    pub(super) fn dims_of(&self, pending: &Pending) -> &[i64] {
        let start = pending.dims as usize;
        let end = start.saturating_add(pending.ndim as usize);
        self.dims.get(start..end).unwrap_or_default()
    }

    /// Adds the metadata; of keys that are there already the value stays.
    pub(super) fn give_metadata(&self, metadata: &mut Metadata) -> Result<(), Refusal> {
        for (number, value) in self.values.iter().enumerate() {
            let key = self.keys.get(number).unwrap_or_default();
            match metadata.add_string(key, value.as_bytes()) {
                Ok(()) | Err(Refusal::Taken(_)) => {}
                Err(Refusal::Full) => return Err(Refusal::Full),
            }
        }
        Ok(())
    }

    fn place(&self, piece: &str) -> Option<usize> {
        json::place(self.text, piece)
    }

    /// Keeps a name, which is a piece of the header where it has no escapes.
    fn keep(&mut self, name: &str) -> Option<Name> {
        // An empty name has a place too: that of its closing quote.
        if let Some(start) = self.place(name) {
            return Name::in_text(start, name.len());
        }
        let start = u32::try_from(self.decoded.len()).ok()?;
        self.decoded.try_reserve(name.len()).ok()?;
        self.decoded.push_str(name);
        Some(Name {
            start,
            len: u32::try_from(name.len()).ok()?,
            place: self.pending.last().map_or(0, |last| last.name.place),
            decoded: true,
        })
    }

    /// Notes what is wrong at a piece of the header.
    fn note<E: serde::de::Error>(&mut self, at: Option<usize>, why: String) -> E {
        if let Some(at) = at {
            let offset = PREFIX.saturating_add(at as u64);
            self.fault.get_or_insert(Fault::malformed(offset, why));
            return E::custom("");
        }
        E::custom(why)
    }
}

/// The header's object.
struct Root<'r, 'h>(&'r mut Header<'h>);

impl<'h> Visitor<'h> for Root<'_, 'h> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'h>>(self, mut map: A) -> Result<(), A::Error> {
        let header = self.0;
        let mut has_metadata = false;
        while let Some(name) = map.next_key_seed(Text)? {
            if name == "__metadata__" {
                if has_metadata {
                    let why = "the header has __metadata__ twice".to_owned();
                    return Err(header.note(header.place(&name), why));
                }
                has_metadata = true;
                map.next_value_seed(Strings(header))?;
                continue;
            }
            header.current = header.keep(&name);
            if header.current.is_none() || header.pending.try_reserve(1).is_err() {
                return Err(A::Error::custom(json::NO_MEMORY));
            }
            let pending = map.next_value_seed(Tensor(header))?;
            header.pending.push(pending);
            header.current = None;
        }
        Ok(())
    }
}

/// `__metadata__`.
struct Strings<'r, 'h>(&'r mut Header<'h>);

impl<'h> DeserializeSeed<'h> for Strings<'_, 'h> {
    type Value = ();

    fn deserialize<D: Deserializer<'h>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'h> Visitor<'h> for Strings<'_, 'h> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings as __metadata__")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'h>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'h>>(self, mut map: A) -> Result<(), A::Error> {
        let header = self.0;
        while let Some(key) = map.next_key_seed(Text)? {
            match header.keys.add(key.as_bytes()) {
                Ok(_) => {}
                Err(Refusal::Taken(_)) => {
                    let why = format!("__metadata__ has the key '{key}' twice");
                    return Err(header.note(header.place(&key), why));
                }
                Err(Refusal::Full) => {
                    return Err(A::Error::custom(json::NO_MEMORY));
                }
            }
            let value = map.next_value_seed(Text)?;
            if header.values.try_reserve(1).is_err() {
                return Err(A::Error::custom(json::NO_MEMORY));
            }
            header.values.push(value);
        }
        Ok(())
    }
}

/// A tensor's object.
struct Tensor<'r, 'h>(&'r mut Header<'h>);

impl<'h> DeserializeSeed<'h> for Tensor<'_, 'h> {
    type Value = Pending;

    fn deserialize<D: Deserializer<'h>>(self, json: D) -> Result<Pending, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'h> Visitor<'h> for Tensor<'_, 'h> {
    type Value = Pending;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor: an object of dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'h>>(self, mut map: A) -> Result<Pending, A::Error> {
        let header = self.0;
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        while let Some(key) = map.next_key_seed(Text)? {
            let again = match &*key {
                "dtype" => {
                    let name = map.next_value_seed(Text)?;
                    let Some(known) = DType::from_safetensors(&name) else {
                        let why = format!("the dtype '{name}' isn't known");
                        return Err(header.note(header.place(&name), why));
                    };
                    dtype.replace(known).is_some()
                }
                "shape" => {
                    let start = header.dims.len();
                    map.next_value_seed(Dims(&mut header.dims))?;
                    shape
                        .replace((start, header.dims.len().saturating_sub(start)))
                        .is_some()
                }
                "data_offsets" => offsets.replace(map.next_value::<(u64, u64)>()?).is_some(),
                _ => {
                    map.next_value_seed(PassOver)?;
                    false
                }
            };
            if again {
                let why = format!("it has '{key}' twice");
                return Err(header.note(header.place(&key), why));
            }
        }
        let missing = |what: &str| format!("it has no '{what}'");
        let at = header.current.map(|name| name.place as usize);
        let Some(dtype) = dtype else {
            return Err(header.note(at, missing("dtype")));
        };
        let Some((dims, ndim)) = shape else {
            return Err(header.note(at, missing("shape")));
        };
        let Some((begin, end)) = offsets else {
            return Err(header.note(at, missing("data_offsets")));
        };
        let (Some(name), Ok(dims), Ok(ndim)) =
            (header.current, u32::try_from(dims), u32::try_from(ndim))
        else {
            return Err(A::Error::custom("the header is too long"));
        };
        Ok(Pending {
            begin,
            end,
            name,
            dims,
            ndim,
            dtype,
        })
    }
}

/// A shape.
struct Dims<'r>(&'r mut Vec<i64>);

impl<'de> DeserializeSeed<'de> for Dims<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Dims<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of dimensions as shape")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(dim) = seq.next_element::<u64>()? {
            let dim = i64::try_from(dim)
                .map_err(|_| A::Error::custom(format!("the dimension {dim} passes 2^63 - 1")))?;
            if self.0.try_reserve(1).is_err() {
                return Err(A::Error::custom(json::NO_MEMORY));
            }
            self.0.push(dim);
        }
        Ok(())
    }
}
