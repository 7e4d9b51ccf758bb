//! What a loader allocates stays small, however many blocks its set has.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod counting;

use std::sync::Arc;

use adit_core::dtype::DType;
use adit_core::loader::{Cache, Loader, LoaderOptions, TokenSource};
use adit_core::map::{Data, DataOptions};

#[test]
fn letting_go_of_an_epochs_blocks_takes_no_list_of_them() {
    const BLOCKS: usize = 1 << 19;
    let folder = std::env::temp_dir().join(format!("adit-blocks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("tokens");
    std::fs::write(&path, vec![7; BLOCKS]).unwrap();
    let data = Data::open(&path, &DataOptions::default()).unwrap();
    let tokens = TokenSource::from_data(&Arc::new(data), 0, DType::U8, 1, 1).unwrap();
    let mut options = LoaderOptions::new(1 << 14);
    options.order.block = 1;
    options.order.window = 0;
    options.cache = Cache::Drop;
    options.workers = Some(0);
    let mut loader = Loader::open_tokens(tokens, &options).unwrap();
    let (steps, most, _) = counting::counted(|| {
        let mut steps = 0;
        // Past the epoch's end, so that its last windows are let go of.
        while steps < loader.steps() + 8 {
            steps += u64::from(loader.next().unwrap().is_some());
        }
        steps
    });
    assert_eq!(steps, 40);
    // A bit a block, and the records of a few steps.
    assert!(most < 1 << 20, "{most} bytes");
    drop(loader);
    std::fs::remove_dir_all(&folder).unwrap();
}
