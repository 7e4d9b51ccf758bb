//! Headers as nobody should write them; the answers are those of NumPy 2.4.6, but where noted.
#![allow(clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::error::{Kind, Report};
use crate::map::Origin;

fn read(major: u8, header: &[u8]) -> std::result::Result<Header, Fault> {
    let prefix = Prefix {
        major,
        header_offset: 10,
        header_len: header.len() as u64,
    };
    parse(header, &prefix, None)
}

fn dims(shape: &str) -> Option<Vec<i64>> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    read(1, header.as_bytes()).ok().map(|header| header.dims)
}

fn descr(value: &str) -> std::result::Result<(DType, bool), Kind> {
    let header = format!("{{'shape': (), 'fortran_order': False, 'descr': {value}}}");
    read(1, header.as_bytes())
        .map(|header| (header.dtype, header.big_endian))
        .map_err(|fault| fault.of(&Origin::Memory).kind())
}

fn accepts(header: &str) -> bool {
    read(1, header.as_bytes()).is_ok()
}

#[test]
fn all_fields_of_a_header() {
    let header = b"{'descr': '>c16', 'fortran_order': True, 'shape': (3, 0, 12), }      \n";
    let expected = Header {
        format: Format::Npy,
        dtype: DType::Complex128,
        big_endian: true,
        fortran_order: true,
        dims: vec![3, 0, 12],
        descr_offset: 20,
        shape_offset: 60,
        shape_end: 70,
        data_offset: 10 + header.len() as u64,
    };
    for major in 1..=3 {
        assert_eq!(read(major, header), Ok(expected.clone()));
    }
}

#[test]
fn spellings_that_python_takes() {
    for header in [
        r#"{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}"#,
        r#"{"descr":'<f4',"fortran_order":False,'shape':(2,3,),}"#,
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
        " \t{'shape':\n(2,\n 3\t), 'fortran_order'\x0c: False, 'descr': '<f4'} \n\n",
        "{'shape': (2, 3), # rows\n 'fortran_order': False, 'descr': '<f4'} # '}",
        "{'shape': (+2, 3L), 'fortran_order': False, 'descr': '=f4'}\n   ",
    ] {
        let header = read(1, header.as_bytes());
        assert_eq!(header.map(|header| header.dims), Ok(vec![2, 3]));
    }
}

#[test]
fn what_is_no_such_dict() {
    for header in [
        "",
        " ",
        "{}",
        "{",
        "}",
        "[]",
        "(2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), ",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, ",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\0",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3),, }",
        "{, 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr' '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr\": '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'de\nscr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'Shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': None, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': false, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 'False', 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False_, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)\x0b}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)\u{a0}}",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 3)}",
        // Python takes these: the last key counts, adjacent strings are one, escapes are decoded.
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'shape': (2, 3)}",
        "{'de' 'scr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'d\\x65scr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "({'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)})",
        "\n{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}\r\n",
    ] {
        assert!(!accepts(header), "{header:?}");
    }
}

#[test]
fn shapes() {
    for (shape, expected) in [
        ("()", vec![]),
        ("( )", vec![]),
        ("(3,)", vec![3]),
        ("(3 , )", vec![3]),
        ("(3,4)", vec![3, 4]),
        ("(0, 00, -0)", vec![0, 0, 0]),
        ("(3L, 4L)", vec![3, 4]),
        ("(9223372036854775807,)", vec![i64::MAX]),
        ("(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)", vec![1; 10]),
    ] {
        assert_eq!(dims(shape), Some(expected), "{shape}");
    }
    for shape in [
        "3",
        "(3)",
        "[3]",
        "(,)",
        "(3,,)",
        "(,3)",
        "(3 4)",
        "(3",
        "3,",
        "{3}",
        "(3,]",
        "((3,))",
        "('3',)",
        "(3.0,)",
        "(3e0,)",
        "(03,)",
        "(--3,)",
        "(-,)",
        "(3l,)",
        "(3LL,)",
        "(3Lx,)",
        "(3j,)",
        "(3+4,)",
        "(None,)",
        "(-1,)",
        "(9223372036854775808,)",
        "(-9223372036854775809,)",
        // Python takes these.
        "(True,)",
        "(1_0,)",
        "(0x3,)",
        "((3),)",
        "(3 L,)",
        "(- 0,)",
    ] {
        assert_eq!(dims(shape), None, "{shape}");
    }
}

#[test]
fn version_3_is_stricter() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), }";
    assert!(read(2, header.as_bytes()).is_ok());
    assert!(read(3, header.as_bytes()).is_err());
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n ";
    assert!(read(2, header.as_bytes()).is_ok());
    assert!(read(3, header.as_bytes()).is_err());
    assert!(read(3, &header.as_bytes()[..header.len() - 1]).is_ok());
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } # \xe9";
    assert!(read(2, header).is_ok());
    let fault = Fault::malformed(70, "the header of a version 3.0 file is not UTF-8");
    assert_eq!(read(3, header), Err(fault));
}

#[test]
fn type_strings() {
    let native_big = cfg!(target_endian = "big");
    for (value, expected) in [
        ("'<f4'", (DType::F32, false)),
        ("'>f4'", (DType::F32, true)),
        ("'=f4'", (DType::F32, native_big)),
        ("'|f4'", (DType::F32, native_big)),
        ("'f4'", (DType::F32, native_big)),
        ("'|b1'", (DType::Bool, false)),
        ("'>u1'", (DType::U8, false)),
        ("'<c8'", (DType::Complex64, false)),
    ] {
        assert_eq!(descr(value), Ok(expected), "{value}");
    }
    for value in [
        "'|O'",
        "'<U5'",
        "'|S3'",
        "'<M8[ns]'",
        "'<m8'",
        "'|V2'",
        "'<f16'",
        "'<c32'",
        "'float32'",
        "'f4,f4'",
        "'?'",
        "[]",
        "[('x', '<f4')]",
        "[('x', '<f4'), ('y', '<i8', (2, 3)), ]",
        "[('a\\'b', [('c', '<f4')]), (('title', 'name'), '|u1')]",
        "('<f4', (2,))",
    ] {
        assert_eq!(descr(value), Err(Kind::Unsupported), "{value}");
    }
    for value in [
        "''",
        "'<'",
        "'f3'",
        "'<i16'",
        "'z4'",
        "4",
        "None",
        "-1",
        "{'a': 1}",
        "[",
        "[(]",
        "[(])",
        "[,]",
        "['x' '<f4']",
        "[('x', '<f4')",
        "[('x', '<f4'))",
        "[('x', f4)]",
        "f4",
    ] {
        assert_eq!(descr(value), Err(Kind::Malformed), "{value}");
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    let (open, close) = ("[".repeat(4000), "]".repeat(4000));
    assert_eq!(descr(&format!("{open}{close}")), Err(Kind::Unsupported));
    assert_eq!(descr(&open), Err(Kind::Malformed));
}

#[test]
fn a_fault_tells_its_byte() {
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3), }";
    let fault = Fault::malformed(10 + 54, "a negative dimension -3");
    assert_eq!(read(1, header), Err(fault));
}

#[test]
fn prefixes() {
    let prefix = |bytes: &[u8]| Prefix::parse(bytes, bytes.len() as u64);
    let good = Prefix {
        major: 1,
        header_offset: 10,
        header_len: 2,
    };
    assert_eq!(prefix(b"\x93NUMPY\x01\x00\x02\x00{}"), Ok(good));
    for cut in 6..12 {
        let start = &b"\x93NUMPY\x02\x00\x00\x00\x00\x00"[..cut];
        let text = "the file ends before its header";
        assert_eq!(prefix(start), Err(Fault::malformed(cut as u64, text)));
    }
    let empty = Fault::wrong_format("it is empty");
    assert_eq!(prefix(b""), Err(empty));
    let version = Fault::unsupported(6, "format version 1.1; 1.0, 2.0 and 3.0 are known");
    assert_eq!(prefix(b"\x93NUMPY\x01\x01\x00\x00\x00\x00"), Err(version));
    let start = b"\x93NUMPY\x02\x00\x11\x27\x00\x00";
    let long = Fault::unsupported(
        8,
        "a header of 10001 bytes; at most 10000 are read, as by NumPy",
    );
    assert_eq!(Prefix::parse(start, 1 << 20), Err(long));
    let start = b"\x93NUMPY\x02\x00\xff\xff\xff\xff";
    assert!(Prefix::parse(start, 1 << 20).is_err());
}
