//! What is accepted, and as what, is what the safetensors crate accepts, but for the rules that
//! are stricter here and documented.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod common;
mod safetensors_tools;

use std::collections::{BTreeMap, HashMap};

use adit_core::dtype::DType;
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use safetensors_tools::*;

/// All that a reader makes of a file: dtype, shape and bytes of each tensor, and the metadata.
type Read = (
    BTreeMap<String, (String, Vec<u64>, Vec<u8>)>,
    BTreeMap<String, String>,
);

fn by_the_crate(bytes: &[u8]) -> Result<Read, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let read = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = read
        .iter()
        .map(|(name, view)| {
            let shape = view.shape().iter().map(|&dim| dim as u64).collect();
            let dtype = view.dtype().to_string();
            (name.to_owned(), (dtype, shape, view.data().to_vec()))
        })
        .collect();
    let strings = metadata.metadata().clone().unwrap_or_default();
    Ok((tensors, strings.into_iter().collect()))
}

fn by_us(bytes: &[u8]) -> Result<Read, String> {
    let model = from_bytes(bytes).map_err(|error| error.to_string())?;
    let mut tensors = BTreeMap::new();
    for (index, (name, dtype, dims, _, offset, len)) in rows(&model).into_iter().enumerate() {
        let data = bytes_of(&model, index);
        assert_eq!(
            (data.len() as u64, &bytes[offset as usize..][..data.len()]),
            (len, &data[..])
        );
        let dtype = dtype.safetensors().unwrap().to_owned();
        let shape = dims.iter().map(|dim| dim.unsigned_abs()).collect();
        tensors.insert(name, (dtype, shape, data));
    }
    Ok((tensors, strings(&model).into_iter().collect()))
}

/// The rules that are stricter here, as their messages tell them.
const STRICTER: &[&str] = &[
    "the header has this name twice",
    "__metadata__ has the key",
    "passes 2^63 - 1",
    // A tensor as an array, a dtype as an object.
    "invalid type: sequence, expected a tensor",
    "invalid type: map, expected a string",
];

/// Compares the readers; whether both take the file.
fn agree(bytes: &[u8]) -> bool {
    let shown = bytes.escape_ascii();
    match (by_us(bytes), by_the_crate(bytes)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours, theirs, "{shown}");
            true
        }
        (Err(_), Err(_)) => false,
        (Ok(_), Err(why)) => panic!("only taken here: {shown}: {why}"),
        (Err(why), Ok(_)) => {
            let known = STRICTER.iter().any(|rule| why.contains(rule));
            assert!(known, "refused here: {shown}: {why}");
            false
        }
    }
}

#[test]
fn what_is_stricter_here_is_known() {
    for (header, data) in [
        (
            r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
            0,
        ),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0),
        (
            r#"{"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}"#,
            0,
        ),
        (r#"{"a":["U8",[1],[0,1]]}"#, 1),
        (
            r#"{"a":{"dtype":{"U8":null},"shape":[1],"data_offsets":[0,1]}}"#,
            1,
        ),
    ] {
        let bytes = file(header, data);
        assert!(by_the_crate(&bytes).is_ok(), "{header}");
        let why = by_us(&bytes).unwrap_err();
        assert!(STRICTER.iter().any(|rule| why.contains(rule)), "{why}");
    }
}

/// Forms of a header that nobody writes and all readers take.
#[test]
fn unusual_headers_that_are_sound() {
    let long = format!("{}{{}}", " ".repeat(1000));
    for (header, data) in [
        ("{}", 0),
        (" \t\r\n{}\n", 0),
        (&long, 0),
        (r#"{"__metadata__":null}"#, 0),
        (r#"{"__metadata__":{}}"#, 0),
        (r#"{"\u005f_metadata__":{"a":"\u00e4\n\ud83d\ude00"}}"#, 0),
        (
            r#"{"a":{"data_offsets":[0,1],"x":{"dtype":[1e5]},"shape":[1],"dtype":"U\u0038","x":0}}"#,
            1,
        ),
        (
            r#"{"\"\\\u00e4ö":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#,
            1,
        ),
        (
            "{\"b\" : {\"dtype\":\"U8\",\n\"shape\":[ 2 ],\"data_offsets\":[1,3]},\"a\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}",
            3,
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
            1,
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
            1,
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]}}"#,
            0,
        ),
        (
            r#"{"a":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]},"b":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[3,6]}}"#,
            6,
        ),
        ("{\"\u{0}\":1}", 0),
    ] {
        let taken = agree(&file(header, data));
        assert_eq!(taken, !header.contains('\0'), "{header}");
    }
    // Tensors come in the order of their bytes.
    let model = from_bytes(&file(
        r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}"#,
        3,
    ));
    assert_eq!(names(&model.unwrap()), ["a", "b"]);
}

const DTYPES: &[Dtype] = &[
    Dtype::BOOL,
    Dtype::F4,
    Dtype::F6_E2M3,
    Dtype::F6_E3M2,
    Dtype::U8,
    Dtype::I8,
    Dtype::F8_E5M2,
    Dtype::F8_E4M3,
    Dtype::F8_E8M0,
    Dtype::F8_E4M3FNUZ,
    Dtype::F8_E5M2FNUZ,
    Dtype::I16,
    Dtype::U16,
    Dtype::F16,
    Dtype::BF16,
    Dtype::I32,
    Dtype::U32,
    Dtype::F32,
    Dtype::C64,
    Dtype::F64,
    Dtype::I64,
    Dtype::U64,
];

#[test]
fn every_dtype_of_the_crate() {
    for dtype in DTYPES {
        let name = dtype.to_string();
        let known = DType::from_safetensors(&name).unwrap();
        assert_eq!(known.safetensors(), Some(&*name));
        let bits = known.block_bytes() as usize * 8 / known.block_elements() as usize;
        assert_eq!(bits, dtype.bitsize(), "{name}");
        let view = TensorView::new(*dtype, vec![8], &[7; 64][..bits]).unwrap();
        assert!(agree(&safetensors::serialize([("t", view)], None).unwrap()));
    }
    let named = DType::ALL
        .iter()
        .filter(|dtype| dtype.safetensors().is_some());
    assert_eq!(named.count(), DTYPES.len());
}

/// Names, dtypes by number, shapes.
fn tensors() -> impl Strategy<Value = BTreeMap<String, (usize, Vec<usize>)>> {
    prop::collection::btree_map(
        any::<String>(),
        (0..DTYPES.len(), prop::collection::vec(0usize..5, 0..6)),
        0..12,
    )
}

fn written(
    tensors: &BTreeMap<String, (usize, Vec<usize>)>,
    strings: Option<HashMap<String, String>>,
) -> Vec<u8> {
    let noise: Vec<u8> = (0..1 << 16)
        .map(|number| (number * 7 % 251) as u8)
        .collect();
    let views = tensors.iter().filter_map(|(name, (dtype, shape))| {
        let bits = shape.iter().product::<usize>() * DTYPES[*dtype].bitsize();
        let start = name.len() % 16;
        let bytes = noise.get(start..start + bits / 8)?;
        Some((
            name,
            TensorView::new(DTYPES[*dtype], shape.clone(), bytes).ok()?,
        ))
    });
    let views: Vec<_> = views.collect();
    // Of no tensors and no strings the crate 0.8.0 writes what not even it can read:
    // `{}"__metadata__"...`.
    let strings = strings.filter(|strings| !views.is_empty() || !strings.is_empty());
    safetensors::serialize(views, strings).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_the_crate_writes_is_read(
        tensors in tensors(),
        strings in prop::option::of(prop::collection::hash_map(any::<String>(), any::<String>(), 0..4)),
    ) {
        prop_assume!(!tensors.contains_key("__metadata__"));
        prop_assert!(agree(&written(&tensors, strings)));
    }

    /// A few changes to the header's bytes, its length kept right.
    #[test]
    fn changed_headers_are_taken_or_refused_by_both(
        tensors in tensors(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, any::<u8>()), 1..5),
    ) {
        let strings = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let whole = written(&tensors, Some(strings));
        let len = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let (mut header, data) = (whole[8..8 + len].to_vec(), &whole[8 + len..]);
        for (index, how, byte) in changes {
            let at = index.index(header.len());
            let signs = b"\"\\{}[]:,0123456789-.eE \n\x01aFU_";
            let sign = signs[usize::from(byte) % signs.len()];
            let end = (at + usize::from(byte) % 60).min(header.len());
            let piece = header[at..end].to_vec();
            match how {
                0 => header[at] = sign,
                1 => header.insert(at, sign),
                2 => { header.remove(at); }
                3 => { header.splice(at..at, piece); }
                // A digit for a digit: shapes and offsets that don't fit.
                4 => if let Some(digit) = header[at..].iter_mut().find(|byte| byte.is_ascii_digit()) {
                    *digit = b'0' + byte % 10;
                },
                _ => if let Some(colon) = header[at..].iter().position(|&byte| byte == b':') {
                    header.insert(at + colon, b' ');
                },
            }
            if header.is_empty() { break; }
        }
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        agree(&bytes);
    }
}
