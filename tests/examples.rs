//! The programs that users copy from: built as a user would, run, and their answers looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the C programs need more of it")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::compiler::has_compiler;
use support::example::{build, build_digits, example};
use support::program::Scratch;
use support::skip::skip;
use support::vulkan::{MISSING, vulkan};
use support::{must, root, run};

fn digits() -> PathBuf {
    root().join("tests/data/digits")
}

fn accuracy(said: &str) -> f64 {
    let mut lines = said.lines();
    let accuracy = lines.find_map(|line| line.strip_prefix("test accuracy "));
    accuracy.expect(said).parse().unwrap()
}

fn last(said: &str) -> String {
    said.lines().last().unwrap().to_owned()
}

/// The trainer, killed when it has said `line`; with `waits_at`, it waits in the middle of that epoch.
fn kill_at(program: &Path, folder: &Path, waits_at: Option<u32>, line: &str) -> String {
    let mut command = Command::new(program);
    if let Some(epoch) = waits_at {
        command.args(["-w", &epoch.to_string()]);
    }
    let mut child = command
        .arg("-v")
        .arg(digits())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for own in BufReader::new(child.stdout.take().unwrap()).lines() {
        let own = own.unwrap();
        said += &own;
        said.push('\n');
        if own.starts_with(line) {
            break;
        }
    }
    // SIGKILL.
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(said.contains(line), "{said}");
    assert!(waits_at.is_none() || status.signal() == Some(9), "{status}");
    said
}

#[test]
fn a_killed_training_goes_on_to_the_same_weights() {
    for standard in ["c99", "c11", "c++17"] {
        if !has_compiler(standard.starts_with("c++")) {
            skip("train_digits in C++", "a C++ compiler");
            continue;
        }
        let scratch = Scratch::new(&format!("train-{standard}"));
        let program = build_digits(&scratch, standard);
        let train = |folder: &Path| must(Command::new(&program).arg(digits()).arg(folder));
        let folder = |name: &str| {
            let folder = scratch.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let whole = train(&folder("whole"));
        // What softmax regression reaches on these digits; far from it, bytes went wrong.
        assert!((0.88..0.93).contains(&accuracy(&whole)), "{whole}");
        assert_eq!(whole.matches("epoch ").count(), 30, "{whole}");
        assert!(whole.contains("train.arec (1500 records)"), "{whole}");
        assert!(last(&whole).starts_with("weights "), "{whole}");

        // In the middle of an epoch, at step 18: what was done since step 10 is lost.
        let killed = folder("killed");
        for (epoch, before) in [(1, 0), (1, 1), (2, 1), (11, 2), (30, 11)] {
            let said = kill_at(&program, &killed, Some(epoch), "in the middle of epoch");
            let goes_on = format!("going on in epoch {before} after 500 records\n");
            assert_eq!(said.contains(&goes_on), before > 0, "{said}");
            assert_eq!(said.contains("wrote "), before == 0, "{said}");
            let epochs = epoch as usize - before.max(1);
            assert_eq!(said.matches("loss").count(), epochs, "{said}");
        }
        let said = train(&killed);
        assert!(
            said.starts_with("going on in epoch 30 after 500 records\nepoch 30  loss "),
            "{said}"
        );
        assert_eq!(last(&said), last(&whole));
        assert!((accuracy(&said) - accuracy(&whole)).abs() < 1e-9);
        let again = train(&killed);
        assert!(
            again.starts_with("going on in epoch 31 after 0 records\ntest accuracy"),
            "{again}"
        );
        assert_eq!(last(&again), last(&whole));
    }
}

/// Anywhere behind a checkpoint that was told: it isn't lost.
#[test]
fn a_training_killed_anywhere_loses_no_checkpoint() {
    let scratch = Scratch::new("train-anywhere");
    let program = build_digits(&scratch, "c11");
    let folder = |name: &str| {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let train = |folder: &Path, epochs: &str| {
        must(Command::new(&program).arg(digits()).arg(folder).arg(epochs))
    };
    let (whole, killed) = (train(&folder("whole"), "30"), folder("killed"));
    for (epoch, step) in [(3, 10), (7, 30), (12, 20), (20, 10), (29, 20)] {
        let line = format!("kept: epoch {epoch}, step {step}");
        kill_at(&program, &killed, None, &line);
        let said = train(&killed, "0");
        let told = said.strip_prefix("going on in epoch ").expect(&said);
        let numbers: Vec<u64> = told
            .split(' ')
            .filter_map(|word| word.trim().parse().ok())
            .take(2)
            .collect();
        let kept = (numbers[0], numbers[1]);
        // All records of an epoch are the start of the next.
        assert!(kept >= (epoch, step * 50), "{said}");
    }
    assert_eq!(last(&train(&killed, "30")), last(&whole));
}

#[test]
fn checkpoints_are_not_taken_from_other_files() {
    let scratch = Scratch::new("train-foreign");
    let program = build_digits(&scratch, "c11");
    let store = scratch.path().join("checkpoint.adit");
    fs::write(&store, "no store").unwrap();
    let train = || run(Command::new(&program).arg(digits()).arg(scratch.path()));
    let (output, said) = train();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("ADIT_ERR_WRONG_FORMAT") && said.contains("checkpoint.adit"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&store).unwrap(), "no store");

    // Nor of records that were made anew: their order and numbers say nothing of these.
    fs::remove_file(&store).unwrap();
    let (output, said) = train();
    assert!(output.status.success(), "{said}");
    fs::remove_file(scratch.path().join("train.arec")).unwrap();
    let (output, said) = train();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("going to where the loader was: ADIT_ERR_INVALID_ARGUMENT"),
        "{said}"
    );
}

#[test]
fn training_tells_what_is_missing() {
    let scratch = Scratch::new("train-missing");
    let program = build_digits(&scratch, "c99");
    let (output, said) = run(Command::new(program)
        .arg("/no/such/folder")
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_NOT_FOUND") && said.contains("/no/such/folder"),
        "{said}"
    );
}

#[test]
fn training_refuses_labels_that_are_no_digits() {
    let scratch = Scratch::new("train-label");
    let program = build_digits(&scratch, "c99");
    for name in ["images_u8.npy", "labels_u8.npy"] {
        fs::copy(digits().join(name), scratch.path().join(name)).unwrap();
    }
    let path = scratch.path().join("labels_u8.npy");
    let mut labels = fs::read(&path).unwrap();
    labels[128 + 1700] = 10;
    fs::write(&path, labels).unwrap();
    let (output, said) = run(Command::new(program)
        .arg(scratch.path())
        .arg(scratch.path()));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("label 1700 is 10"), "{said}");
}

#[test]
fn an_array_is_edited_in_memory_and_saved() {
    let scratch = Scratch::new("edit");
    let program = build(&example("edit_array.c"), &scratch, "c99");
    let (images, out) = (
        digits().join("images_u8.npy"),
        scratch.path().join("out.npy"),
    );
    let before = fs::read(&images).unwrap();
    let edit =
        |from: &Path, rows: [&str; 2]| run(Command::new(&program).arg(from).arg(&out).args(rows));
    let (output, said) = edit(&images, ["10", "3"]);
    assert!(output.status.success(), "{said}");
    let sum = |bytes: &[u8]| -> f64 { bytes[128..].iter().map(|&byte| f64::from(byte)).sum() };
    let mut wanted = before.clone();
    wanted[128 + 10 * 64..128 + 13 * 64].fill(0);
    let means = [&before, &wanted].map(|bytes| sum(bytes) / (bytes.len() - 128) as f64);
    let line = said
        .strip_prefix("3 rows of u8 cleared: mean ")
        .expect(&said);
    let told: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(told.len(), 2, "{said}");
    for (told, mean) in told.iter().zip(means) {
        assert!((told - mean).abs() < 1e-4, "{said}");
    }
    assert_eq!(
        fs::read(&images).unwrap(),
        before,
        "the file itself has changed"
    );
    assert!(fs::read(&out).unwrap() == wanted);

    // Over the file that is mapped.
    let (output, said) = edit(&out.clone(), ["0", "1"]);
    assert!(output.status.success(), "{said}");
    wanted[128..128 + 64].fill(0);
    assert!(fs::read(&out).unwrap() == wanted);

    let (output, said) = edit(&images, ["1797", "1"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1797 rows"), "{said}");
    let (output, said) = edit(Path::new("/no/such/file"), ["0", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("ADIT_ERR_NOT_FOUND"), "{said}");
}

#[test]
fn inspection_tells_what_files_hold() {
    let scratch = Scratch::new("inspect");
    let program = build(&example("inspect.c"), &scratch, "c99");
    let data = |name: &str| root().join("tests/data").join(name);
    let inspect = |name: &str| run(Command::new(&program).arg(data(name)));

    let (output, said) = inspect("digits/labels_u8.npy");
    assert!(output.status.success());
    assert!(
        said.contains("NumPy array, u8, 1 dimensions, elements from byte 128"),
        "{said}"
    );
    assert!(
        said.contains("u8 [1797], 1797 bytes: 0, 1, 2, 3, 4, 5, 6, 7, ..."),
        "{said}"
    );

    let (output, said) = inspect("rrec/basic_3x4.rrec");
    assert!(output.status.success());
    assert!(said.contains("basic_3x4.rrec: 8 records"), "{said}");
    assert!(
        said.contains("input    f32 [3, 4], 48 bytes: 0.4886, 0.192535"),
        "{said}"
    );
    assert!(
        said.contains("checked 8 records, 640 bytes: 0 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/f16_hand.rrec");
    assert!(output.status.success());
    assert!(
        said.contains("f16 [15], 30 bytes: 0, -0, 5.96046e-08, -6.09756e-05"),
        "{said}"
    );

    let (output, said) = inspect("rrec/bad_dtype_7.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_MALFORMED") && said.contains("1 damaged"),
        "{said}"
    );

    let (output, said) = inspect("rrec/unfinished_dropped.rrec");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("ADIT_ERR_UNFINISHED") && said.contains("adit_record_recover"),
        "{said}"
    );

    let (output, said) = inspect("digits/README.md");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("neither a record nor an array file"),
        "{said}"
    );
}

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
