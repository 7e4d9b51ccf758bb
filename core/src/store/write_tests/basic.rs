use super::super::{Batch, OpenMode, SyncPolicy};
use super::*;

const POLICIES: [SyncPolicy; 4] = [
    SyncPolicy::Batch,
    SyncPolicy::Group,
    SyncPolicy::Explicit,
    SyncPolicy::None,
];

#[test]
fn what_is_put_is_found_under_every_policy_and_after_reopening() {
    for sync in POLICIES {
        let sim = SimStorage::new();
        let options = StoreOptions {
            sync,
            ..StoreOptions::default()
        };
        let store = open(&sim, &options);
        assert_eq!(put(&store, "one", b"1"), 1);
        assert_eq!(put(&store, "two", &[2; 5000]), 2);
        assert_eq!(put(&store, "", b""), 3);
        assert_eq!(put(&store, "one", b"uno"), 4);
        assert_eq!(store.delete(b"two").unwrap(), 5);
        assert_eq!(store.delete(b"never there").unwrap(), 6);
        let mut batch = Batch::new();
        batch.put(b"a", region(b"first")).unwrap();
        batch.put(b"b", region(&[7; 9000])).unwrap();
        batch.put(b"a", region(b"second")).unwrap();
        batch.delete(b"one").unwrap();
        assert_eq!(batch.len(), 4);
        assert_eq!(store.write(&mut batch).unwrap(), 7);
        batch.clear();
        assert_eq!(store.write(&mut batch).unwrap(), 7);
        let check = |store: &Store| {
            assert_eq!(get(store, b"a").unwrap(), b"second");
            assert_eq!(get(store, b"b").unwrap(), [7; 9000]);
            assert_eq!(get(store, b"").unwrap(), b"");
            assert_eq!(get(store, b"one"), None);
            assert_eq!(get(store, b"two"), None);
            assert_eq!(live(store).0, 3);
        };
        check(&store);
        store.sync(0).unwrap();
        check(&store);
        let counted = live(&store);
        store.close();
        for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create] {
            let store = open(&sim, &StoreOptions { mode, ..options });
            check(&store);
            assert_eq!(live(&store), counted);
        }
    }
}
