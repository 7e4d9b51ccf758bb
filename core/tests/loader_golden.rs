//! The order, the parts of ranks and the state's bytes as docs/loader.md has them: the vectors are
//! made from that text by a script of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use adit_core::loader::{Order, OrderOptions, Partition, Shuffle, State, Uneven};
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/loader/golden.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(number).collect()
}

struct Case {
    json: Value,
    options: OrderOptions,
    order: Order,
    batch: u64,
    world: u32,
    uneven: Uneven,
}

fn cases() -> Vec<Case> {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    let all = cases.iter().map(|json| {
        let options = OrderOptions {
            shuffle: match json["order"].as_str().unwrap() {
                "windowed" => Shuffle::Windowed,
                other => {
                    assert_eq!(other, "sequential");
                    Shuffle::Sequential
                }
            },
            seed: number(&json["seed"]),
            block: number(&json["block"]),
            window: number(&json["window"]),
            canonical_nodes: number(&json["canonical_nodes"]).try_into().unwrap(),
        };
        let epoch = number(&json["epoch"]);
        Case {
            order: Order::new(number(&json["records"]), &options, epoch).unwrap(),
            options,
            batch: number(&json["batch"]),
            world: number(&json["world"]).try_into().unwrap(),
            uneven: match json["uneven"].as_str().unwrap() {
                "drop" => Uneven::Drop,
                "pad" => Uneven::Pad,
                other => {
                    assert_eq!(other, "keep");
                    Uneven::Keep
                }
            },
            json: json.clone(),
        }
    });
    all.collect()
}

#[test]
fn positions_and_lanes_are_those_of_the_text() {
    let cases = cases();
    assert!(cases.len() > 10, "{}", cases.len());
    for case in &cases {
        let (order, json) = (&case.order, &case.json);
        let records = numbers(&json["positions"]);
        assert_eq!(order.len(), records.len() as u64);
        for ((position, &record), &lane) in (0..).zip(&records).zip(&numbers(&json["lanes"])) {
            assert_eq!(
                order.record_at(position),
                Some(record),
                "{position} of {json}"
            );
            assert_eq!(
                u64::from(order.lane_of(position).unwrap().0),
                lane,
                "{json}"
            );
        }
        assert_eq!(order.record_at(order.len()), None);
        assert_eq!(order.record_seed(0), number(&json["record_seed_of_0"]));
    }
}

#[test]
fn each_rank_has_the_part_of_the_text() {
    for case in cases() {
        let steps = case.json["steps"].as_array().unwrap();
        for rank in 0..case.world {
            let partition = Partition {
                batch: case.batch,
                world: case.world,
                rank,
                uneven: case.uneven,
            };
            partition.check().unwrap();
            assert_eq!(partition.steps(case.order.len()), steps.len() as u64);
            let mut records = Vec::new();
            for (number, step) in (0..).zip(steps) {
                let expected = &step[usize::try_from(rank).unwrap()];
                let valid = partition.take(&case.order, number, &mut records).unwrap();
                assert_eq!(records, numbers(&expected[0]), "{} {number}", case.json);
                assert_eq!(valid as u64, expected[1].as_u64().unwrap(), "{}", case.json);
            }
        }
    }
}

#[test]
fn states_have_the_bytes_of_the_text() {
    for case in cases() {
        let identity = u128::from_str_radix(case.json["identity"].as_str().unwrap(), 16).unwrap();
        let state = State {
            identity,
            records: case.order.len(),
            order: case.options,
            batch: case.batch,
            uneven: case.uneven,
            epoch: number(&case.json["epoch"]),
            step: 1,
        };
        let bytes: String = state
            .encode()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(bytes, case.json["state_after_step_1"].as_str().unwrap());
    }
}
