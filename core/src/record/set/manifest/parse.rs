//! A manifest's JSON, read in one pass.

use std::collections::HashSet;

use serde::de::{Error, MapAccess, SeqAccess};

use super::object::{Items, List, Members, Object, Once};
use super::{Manifest, Shard};
use crate::dtype::DType;
use crate::json::{NO_MEMORY, Text};
use crate::map::not_plain;
use crate::record::arec::MOST_METADATA;
use crate::record::schema::{Field, FieldShape, Schema};
use crate::tensor::MAX_DIMS;

const VERSION: u64 = 1;

/// The most fields of a record.
const MOST_FIELDS: usize = 1024;

/// What was read so far.
#[derive(Default)]
pub(super) struct Parse {
    pub(super) is_set: bool,
    pub(super) other_version: Option<u64>,
    pub(super) unknown_dtype: Option<String>,
    records: Once<u64>,
    fields: Once<Schema>,
    shards: Once<Vec<Shard>>,
    metadata: Once<Vec<(String, Vec<u8>)>>,
}

impl Parse {
    pub(super) fn run(&mut self, text: &str) -> Result<(), serde_json::Error> {
        use serde::de::DeserializeSeed;
        let mut json = serde_json::Deserializer::from_str(text);
        Object(self).deserialize(&mut json)?;
        json.end()
    }

    /// The manifest once all members are there and agree.
    pub(super) fn finish(self) -> Result<Manifest, String> {
        let missing = |key| format!("'{key}' is missing");
        let records = self.records.take().ok_or_else(|| missing("records"))?;
        let manifest = Manifest {
            schema: self.fields.take().ok_or_else(|| missing("fields"))?,
            shards: self.shards.take().ok_or_else(|| missing("shards"))?,
            metadata: self.metadata.take().unwrap_or_default(),
        };
        if manifest.schema.fields().is_empty() {
            return Err("'fields' is empty; a record has 1 to 1024".to_owned());
        }
        let add = |sum: u64, shard: &Shard| sum.checked_add(shard.records);
        let sum = manifest.shards.iter().try_fold(0, add);
        if sum != Some(records) {
            let sum = sum.map_or("more than can be counted".to_owned(), |sum| sum.to_string());
            return Err(format!(
                "'records' is {records}, but those of the shards are {sum}"
            ));
        }
        unique(&manifest)?;
        Ok(manifest)
    }
}

/// No file twice: neither by its name nor as a copy.
pub(super) fn unique(manifest: &Manifest) -> Result<(), String> {
    let count = manifest.shards.len();
    let (mut files, mut uuids) = (HashSet::new(), HashSet::new());
    if files.try_reserve(count).is_err() || uuids.try_reserve(count).is_err() {
        return Err("there is no memory to compare its files".to_owned());
    }
    for Shard { file, uuid, .. } in &manifest.shards {
        if !files.insert(file.as_str()) {
            return Err(format!("the file '{file}' stands there twice"));
        }
        if !uuids.insert(uuid) {
            return Err(format!(
                "the file '{file}' has the uuid of another: it is a copy"
            ));
        }
    }
    Ok(())
}

fn push<T, E: Error>(list: &mut Vec<T>, item: T) -> Result<bool, E> {
    list.try_reserve(1).map_err(|_| E::custom(NO_MEMORY))?;
    list.push(item);
    Ok(true)
}

impl<'t> Members<'t> for Parse {
    const WHAT: &'static str = "an object of a set's records, fields and shards";

    fn member<A: MapAccess<'t>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "adit_record_set" => {
                let version: u64 = map.next_value()?;
                if std::mem::replace(&mut self.is_set, true) {
                    return Err(A::Error::custom("'adit_record_set' stands there twice"));
                }
                if version != VERSION {
                    self.other_version = Some(version);
                    return Err(A::Error::custom("another version"));
                }
                Ok(true)
            }
            "records" => self.records.put(key, map.next_value()?),
            "fields" => {
                let mut fields = Fields::default();
                let read = map.next_value_seed(List(&mut fields));
                self.unknown_dtype = fields.unknown_dtype.take();
                read?;
                self.fields.put(key, fields.schema)
            }
            "shards" => {
                let mut shards = Shards::default();
                map.next_value_seed(List(&mut shards))?;
                self.shards.put(key, shards.0)
            }
            "metadata" => {
                let mut entries = Entries::default();
                map.next_value_seed(List(&mut entries))?;
                self.metadata.put(key, entries.list)
            }
            _ => Ok(false),
        }
    }
}

#[derive(Default)]
struct Fields {
    schema: Schema,
    unknown_dtype: Option<String>,
}

impl<'t> Items<'t> for Fields {
    const WHAT: &'static str = "a list of fields";

    fn item<A: SeqAccess<'t>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut row = FieldRow::default();
        if list.next_element_seed(Object(&mut row))?.is_none() {
            return Ok(false);
        }
        if self.schema.fields().len() >= MOST_FIELDS {
            return Err(A::Error::custom("there are more than 1024 fields"));
        }
        let name: String = row.name.need("name")?;
        let dtype: String = row.dtype.need("dtype")?;
        let kind: String = row.kind.need("kind")?;
        let dims = row.shape.need("shape")?;
        let Some(dtype) = DType::from_name(&dtype) else {
            self.unknown_dtype = Some(dtype);
            return Err(A::Error::custom("an unknown dtype"));
        };
        let own = dims.iter().any(|&dim| dim < 0);
        let is_bytes = kind == "bytes";
        let agrees = match kind.as_str() {
            "fixed" => !own,
            "ragged" => own,
            "bytes" => dtype == DType::U8 && dims == [-1],
            _ => false,
        };
        if !agrees {
            return Err(A::Error::custom(format_args!(
                "the field '{name}' can't be '{kind}' with its dtype and shape"
            )));
        }
        let field = Field {
            name,
            dtype: Some(dtype),
            shape: FieldShape::Dims(dims),
            is_bytes,
        };
        self.schema.add(field).map_err(A::Error::custom)?;
        Ok(true)
    }
}

#[derive(Default)]
struct FieldRow {
    name: Once<String>,
    dtype: Once<String>,
    kind: Once<String>,
    shape: Once<Vec<i64>>,
}

fn text<'t, A: MapAccess<'t>>(map: &mut A) -> Result<String, A::Error> {
    let text = map.next_value_seed(Text)?;
    let mut own = String::new();
    own.try_reserve_exact(text.len())
        .map_err(|_| A::Error::custom(NO_MEMORY))?;
    own.push_str(&text);
    Ok(own)
}

impl<'t> Members<'t> for FieldRow {
    const WHAT: &'static str = "an object of a field's name, dtype, kind and shape";

    fn member<A: MapAccess<'t>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "name" => self.name.put(key, text(map)?),
            "dtype" => self.dtype.put(key, text(map)?),
            "kind" => self.kind.put(key, text(map)?),
            "shape" => {
                let mut dims = Dims::default();
                map.next_value_seed(List(&mut dims))?;
                self.shape.put(key, dims.0)
            }
            _ => Ok(false),
        }
    }
}

#[derive(Default)]
struct Dims(Vec<i64>);

impl<'t> Items<'t> for Dims {
    const WHAT: &'static str = "a list of dimensions, null for a record's own";

    fn item<A: SeqAccess<'t>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(dim) = list.next_element::<Option<u64>>()? else {
            return Ok(false);
        };
        if self.0.len() >= MAX_DIMS {
            return Err(A::Error::custom("a field has more than 8 dimensions"));
        }
        let size = dim.map_or(Ok(-1), i64::try_from);
        let size = size.map_err(|_| A::Error::custom("a dimension is over 2^63 - 1"))?;
        push(&mut self.0, size)
    }
}

#[derive(Default)]
struct Shards(Vec<Shard>);

impl<'t> Items<'t> for Shards {
    const WHAT: &'static str = "a list of shards";

    fn item<A: SeqAccess<'t>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut row = ShardRow::default();
        if list.next_element_seed(Object(&mut row))?.is_none() {
            return Ok(false);
        }
        let shard = Shard {
            file: row.file.need("file")?,
            uuid: row.uuid.need("uuid")?,
            records: row.records.need("records")?,
            bytes: row.bytes.need("bytes")?,
            footer: row.footer.need("footer")?,
        };
        push(&mut self.0, shard)
    }
}

#[derive(Default)]
struct ShardRow {
    file: Once<String>,
    uuid: Once<[u8; 16]>,
    records: Once<u64>,
    bytes: Once<u64>,
    footer: Once<u64>,
}

impl<'t> Members<'t> for ShardRow {
    const WHAT: &'static str = "an object of a shard's file, uuid, records, bytes and footer";

    fn member<A: MapAccess<'t>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "file" => {
                let file = text(map)?;
                if let Some(what) = not_plain(&file) {
                    let file = file.escape_debug();
                    return Err(A::Error::custom(format_args!(
                        "the shard '{file}' is no plain file name: {what}"
                    )));
                }
                self.file.put(key, file)
            }
            "uuid" => {
                let digits = map.next_value_seed(Text)?;
                self.uuid.put(key, number(key, &digits, 32)?.to_be_bytes())
            }
            "records" => self.records.put(key, map.next_value()?),
            "bytes" => self.bytes.put(key, map.next_value()?),
            "footer" => {
                let digits = map.next_value_seed(Text)?;
                let hash = u64::try_from(number::<A::Error>(key, &digits, 16)?);
                self.footer.put(key, hash.unwrap_or_default())
            }
            _ => Ok(false),
        }
    }
}

/// A number of so many lower-case hexadecimal digits.
fn number<E: Error>(key: &str, digits: &str, len: usize) -> Result<u128, E> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() == len
        && digits.bytes().all(is_digit)
        && let Ok(number) = u128::from_str_radix(digits, 16)
    {
        return Ok(number);
    }
    Err(E::custom(format_args!(
        "'{key}' has {len} hexadecimal digits, '{}' is none",
        digits.escape_debug()
    )))
}

#[derive(Default)]
struct Entries {
    keys: HashSet<String>,
    bytes: u64,
    list: Vec<(String, Vec<u8>)>,
}

impl<'t> Items<'t> for Entries {
    const WHAT: &'static str = "a list of metadata";

    fn item<A: SeqAccess<'t>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut row = EntryRow::default();
        if list.next_element_seed(Object(&mut row))?.is_none() {
            return Ok(false);
        }
        let key: String = row.key.need("key")?;
        let value = match (row.text.take(), row.hex.take()) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(bytes)) => bytes,
            _ => {
                return Err(A::Error::custom(format_args!(
                    "the metadata '{key}' has either 'text' or 'hex'"
                )));
            }
        };
        let bytes = (key.len() as u64).saturating_add(value.len() as u64);
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(8);
        if self.bytes > MOST_METADATA {
            return Err(A::Error::custom(format_args!(
                "the metadata has over {MOST_METADATA} bytes"
            )));
        }
        if key.is_empty() {
            return Err(A::Error::custom("a key of metadata is empty"));
        }
        self.keys
            .try_reserve(1)
            .map_err(|_| A::Error::custom(NO_MEMORY))?;
        if !self.keys.insert(key.clone()) {
            return Err(A::Error::custom(format_args!(
                "the metadata '{key}' stands there twice"
            )));
        }
        push(&mut self.list, (key, value))
    }
}

#[derive(Default)]
struct EntryRow {
    key: Once<String>,
    text: Once<String>,
    hex: Once<Vec<u8>>,
}

impl<'t> Members<'t> for EntryRow {
    const WHAT: &'static str = "an object of metadata: key, and text or hex";

    fn member<A: MapAccess<'t>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "key" => self.key.put(key, text(map)?),
            "text" => self.text.put(key, text(map)?),
            "hex" => {
                let digits = map.next_value_seed(Text)?;
                self.hex.put(key, bytes_of(&digits)?)
            }
            _ => Ok(false),
        }
    }
}

fn bytes_of<E: Error>(digits: &str) -> Result<Vec<u8>, E> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(pairs.len());
    room.map_err(|_| E::custom(NO_MEMORY))?;
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .filter(|_| !digit.is_ascii_uppercase())
    };
    for &[high, low] in pairs {
        let Some((high, low)) = value(high).zip(value(low)) else {
            return Err(E::custom("'hex' has other than hexadecimal digits"));
        };
        bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
    }
    if rest.is_empty() {
        Ok(bytes)
    } else {
        Err(E::custom("'hex' has half a byte at its end"))
    }
}
