//! The programs on models: listed, computed with, brought to a device and to a graphics card.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::digits;
use crate::support::compiler::has_compiler;
use crate::support::example::{build, example};
use crate::support::program::Scratch;
use crate::support::skip::skip;
use crate::support::vulkan::{MISSING, vulkan};
use crate::support::{must, root, run};

#[test]
fn weights_are_listed() {
    let scratch = Scratch::new("weights");
    for standard in ["c11", "c++17", "c99"] {
        if has_compiler(standard.starts_with("c++")) {
            build(&example("weights.c"), &scratch, standard);
        } else {
            skip("weights in C++", "a C++ compiler");
        }
    }
    let program = scratch.path().join("program");
    let list = |arguments: &[&str], names: &[&str]| {
        let paths = names
            .iter()
            .map(|name| root().join("tests/data").join(name));
        run(Command::new(&program).args(arguments).args(paths))
    };
    let squeezed = |said: &str| said.split_whitespace().collect::<Vec<_>>().join(" ");

    let (output, said) = list(&["-m", "-c"], &["gguf/all_kv_types.gguf"]);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("GGUF: 6 tensors, 356 bytes\nfile 0: "),
        "{said}"
    );
    for line in [
        "t.i8 -5\n",
        "t.u64 9223372036854775809\n",
        "t.f64 1e+300\n",
        "t.bool true\n",
        "t.str h\u{e9}llo \u{1f680}\n",
        "t.arr_s 3: \"a\" \"\" \"ccc\"\n",
        "t.arr_f 2: 0.5 -0.5\n",
    ] {
        let wanted = squeezed(line);
        assert!(
            said.lines().any(|own| squeezed(own) == wanted),
            "{wanted}: {said}"
        );
    }
    let row = "c.q8_0 q8_0 [2, 64] 136 0 896 8803114f";
    assert!(said.lines().any(|own| squeezed(own) == row), "{said}");
    assert!(
        said.ends_with("crc-32c of all tensors: 77deb04e\n"),
        "{said}"
    );

    let (output, said) = list(&[], &["safetensors/model_small.safetensors"]);
    assert!(output.status.success(), "{said}");
    let row = "embed bf16 [40, 16] 1280 0 952";
    assert!(said.lines().any(|own| squeezed(own) == row), "{said}");
    assert!(
        !said.contains("arch") && !said.contains("crc-32c"),
        "{said}"
    );

    // Two files as one model.
    let names =
        ["model_small", "empty_and_scalar"].map(|name| format!("safetensors/{name}.safetensors"));
    let (output, said) = list(&["-c"], &[&names[0], &names[1]]);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("safetensors: 17 tensors, 6200 bytes\n"),
        "{said}"
    );
    let row = "empty2 i64 [3, 0, 2] 0 1 248 00000000";
    assert!(said.lines().any(|own| squeezed(own) == row), "{said}");

    let (output, said) = list(&[], &["safetensors/bad_hole.safetensors"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_MALFORMED") && said.contains("tensor 'b'"),
        "{said}"
    );
    assert_eq!(list(&["-c"], &[]).0.status.code(), Some(2));
}

/// A small model whose first layers can be computed by hand. The real one is in tests/python.
#[test]
fn first_layers_are_computed() {
    let scratch = Scratch::new("embed");
    for standard in ["c11", "c++17", "c99"] {
        if has_compiler(standard.starts_with("c++")) {
            build(&example("embed.c"), &scratch, standard);
        } else {
            skip("embed in C++", "a C++ compiler");
        }
    }
    let tensors: [(&str, &[usize], &[f32]); 7] = [
        ("embeddings.LayerNorm.bias", &[2], &[0.5, 0.0]),
        ("embeddings.LayerNorm.weight", &[2], &[1.0, 2.0]),
        (
            "embeddings.position_embeddings.weight",
            &[2, 2],
            &[0.0, 0.0, 1.0, 0.0],
        ),
        (
            "embeddings.token_type_embeddings.weight",
            &[1, 2],
            &[0.0, 1.0],
        ),
        (
            "embeddings.word_embeddings.weight",
            &[3, 2],
            &[4.0, 1.0, 9.0, 9.0, 2.0, 7.0],
        ),
        (
            "encoder.layer.0.attention.self.query.bias",
            &[2],
            &[0.25, 0.0],
        ),
        (
            "encoder.layer.0.attention.self.query.weight",
            &[2, 2],
            &[1.0, 1.0, 0.0, -2.0],
        ),
    ];
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let end = data.len();
        header.push(format!(
            "\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    let path = scratch.path().join("small.safetensors");
    // At every address that elements can have: borrowed at one of four, else copied.
    for spaces in 0..4 {
        let header = format!("{header}{}", " ".repeat(spaces));
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&data);
        fs::write(&path, file).unwrap();
        let said = must(
            Command::new(scratch.path().join("program"))
                .arg(&path)
                .args(["0", "2"]),
        );
        // 4 and 2 are normalised to 1 and -1, which become 1.5 and -2; 3 and 8 to the opposite.
        assert_eq!(
            said,
            "0 -0.250000 4.000000 |4.007805|\n2 1.750000 -4.000000 |4.366062|\n"
        );
    }
    let fails = |token: &str| {
        let program = scratch.path().join("program");
        let (output, said) = run(Command::new(program).arg(&path).arg(token));
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    let said = fails("3");
    assert!(
        said.contains("ADIT_ERR_OUT_OF_RANGE") && said.contains("word_embeddings"),
        "{said}"
    );
    fs::copy(root().join("tests/data/gguf/kv_only.gguf"), &path).unwrap();
    assert!(fails("0").contains("embeddings.LayerNorm.weight: ADIT_ERR_NOT_FOUND"));
}

#[test]
fn weights_reach_a_device() {
    let model = root().join("tests/data/safetensors/model_small.safetensors");
    for standard in ["c99", "c11", "c++17"] {
        if !has_compiler(standard.starts_with("c++")) {
            skip("sink in C++", "a C++ compiler");
            continue;
        }
        let scratch = Scratch::new(&format!("sink-{standard}"));
        let program = build(&example("sink.c"), &scratch, standard);
        let said = must(Command::new(&program).arg(&model));
        // The sum is NumPy's.
        let wanted = "13 tensors, 12352 bytes on the device by 13 copies in 1 submits; \
                      their finite values add up to -1.78309e+38\n";
        assert_eq!(said, wanted);
        let (output, said) = run(Command::new(&program).arg("/no/such/model"));
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains("ADIT_ERR_NOT_FOUND"), "{said}");
        // A file that is no model.
        let (output, said) = run(Command::new(&program).arg(digits().join("images_u8.npy")));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ADIT_ERR_WRONG_FORMAT"), "{said}");
    }
}

/// A model and an array on the software driver; without a driver there is one line, and no failure.
#[test]
fn models_reach_a_graphics_card() {
    let data = |name: &str| root().join("tests/data").join(name);
    let small = data("safetensors/model_small.safetensors");
    for standard in ["c99", "c11", "c++17"] {
        if !has_compiler(standard.starts_with("c++")) {
            skip("upload in C++", "a C++ compiler");
            continue;
        }
        let scratch = Scratch::new(&format!("upload-{standard}"));
        let program = build(&example("upload.c"), &scratch, standard);
        let nothing = scratch.path().join("no-driver.json");
        let (output, said) = run(Command::new(&program)
            .arg(&small)
            .env("VK_ICD_FILENAMES", &nothing)
            .env("VK_DRIVER_FILES", &nothing)
            .env("NODEVICE_SELECT", "1"));
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.starts_with("nothing uploaded: no GPU: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(run(&mut Command::new(&program)).0.status.code(), Some(2));
        let Some(driver) = vulkan() else {
            skip("upload", MISSING);
            continue;
        };
        let upload = |path: &Path| {
            let mut command = Command::new(&program);
            run(command.arg(path).envs(driver.iter().copied()))
        };
        // Tensors, bytes that travel, how many become f32, what they take then.
        for (name, counts) in [
            ("safetensors/model_small.safetensors", [13, 6176, 13, 12352]),
            ("safetensors/all_dtypes.safetensors", [15, 294, 2, 318]),
            ("gguf/every_type.gguf", [34, 12516, 4, 13764]),
            ("digits/images_u8.npy", [1, 115_008, 0, 115_008]),
        ] {
            let (output, said) = upload(&data(name));
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(said.starts_with("llvmpipe"), "{said}");
            let [tensors, bytes, converted, on_card] = counts;
            for part in [
                format!("{tensors} tensors, {bytes} bytes uploaded in "),
                format!("{converted} of them became f32 on the card, where all take {on_card} "),
                ": 0 differ from what the CPU makes of them".to_owned(),
            ] {
                assert!(said.contains(&part), "{part}: {said}");
            }
        }
        for (name, wanted) in [
            ("none", "ADIT_ERR_NOT_FOUND"),
            ("digits/README.md", "ADIT_ERR_WRONG_FORMAT"),
            ("safetensors/bad_hole.safetensors", "ADIT_ERR_MALFORMED"),
        ] {
            let (output, said) = upload(&data(name));
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(wanted), "{said}");
        }
    }
}
