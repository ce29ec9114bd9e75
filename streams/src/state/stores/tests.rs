//! Stores over the engine in memory.
use super::*;
use crate::state::memory::MemoryEngine;
use crate::state::{KeyValue, Window};
use crate::task::RecordCollector;

const MINUTE: i64 = 60_000;

fn layout(shape: StoreShape) -> StoreLayout {
    StoreLayout { name: "store".to_owned(), shape, changelog: Some("app-store-changelog".into()) }
}

fn stores(shape: StoreShape, engine: Box<dyn Engine>) -> Stores {
    Stores::new(vec![layout(shape)], engine)
}

fn windows(retention_ms: i64) -> Stores {
    stores(StoreShape::Window { retention_ms }, Box::new(MemoryEngine::default()))
}

fn put(stores: &mut Stores, key: &'static str, value: &'static str) {
    let mut collector = RecordCollector::new(0);
    KeyValue { stores, collector: &mut collector, store: 0 }.put(key.into(), value.into(), 5);
}

fn get(stores: &mut Stores, key: &str) -> Option<Bytes> {
    let mut collector = RecordCollector::new(0);
    let store = KeyValue { stores, collector: &mut collector, store: 0 };
    store.get(key.as_bytes()).unwrap().map(|value| value.value)
}

fn put_window(stores: &mut Stores, key: &str, start: i64) {
    let mut collector = RecordCollector::new(0);
    Window { stores, collector: &mut collector, store: 0 }.put(key.as_bytes(), start, "v".into(), start);
}

/// The windows of a key, one way and the other.
fn starts(stores: &mut Stores, key: &str) -> Vec<i64> {
    let all = stores.read(0).unwrap().into_iter();
    let found: Vec<i64> = all.filter(|(found, ..)| found == key).filter_map(|(_, start, _)| start).collect();
    let mut collector = RecordCollector::new(0);
    let store = Window { stores, collector: &mut collector, store: 0 };
    for start in &found {
        assert!(store.fetch_one(key.as_bytes(), *start).unwrap().is_some());
        assert!(store.fetch_one(key.as_bytes(), start + 1).unwrap().is_none());
    }
    found
}

/// Trap 4: an engine never holds what is not committed.
#[test]
fn what_is_not_committed_is_gone_with_its_task() {
    let mut first = stores(StoreShape::KeyValue, Box::new(MemoryEngine::default()));
    put(&mut first, "a", "1");
    first.logged(0, 0);
    first.commit().unwrap();
    put(&mut first, "a", "2");
    put(&mut first, "b", "1");
    first.logged(0, 2);
    assert_eq!(get(&mut first, "a").as_deref(), Some(&b"2"[..]));
    let mut next = stores(StoreShape::KeyValue, first.into_engine());
    assert_eq!((get(&mut next, "a").as_deref(), get(&mut next, "b")), (Some(&b"1"[..]), None));
    assert_eq!(
        next.restore_from(0),
        Some(1),
        "the checkpoint is behind the last record that the engine holds"
    );
}

#[test]
fn deleted_keys_are_gone_before_and_after_a_commit() {
    let mut stores = stores(StoreShape::KeyValue, Box::new(MemoryEngine::default()));
    put(&mut stores, "a", "1");
    put(&mut stores, "b", "1");
    stores.commit().unwrap();
    let mut collector = RecordCollector::new(3);
    KeyValue { stores: &mut stores, collector: &mut collector, store: 0 }.delete("a".into(), 9);
    let tombstone = collector.take().unwrap();
    assert_eq!((tombstone.key, tombstone.value, tombstone.timestamp), (Some("a".into()), None, 9));
    for _ in 0..2 {
        assert_eq!((get(&mut stores, "a"), get(&mut stores, "b").as_deref()), (None, Some(&b"1"[..])));
        assert_eq!(stores.read(0).unwrap().len(), 1);
        stores.commit().unwrap();
    }
}

#[test]
fn a_changelog_gives_back_what_was_written() {
    let mut stores = stores(StoreShape::KeyValue, Box::new(MemoryEngine::default()));
    type Change<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, i64);
    let records: [Change<'_>; 4] = [
        (Some(b"a"), Some(b"1"), 3),
        (None, Some(b"?"), 4),
        (Some(b"b"), Some(b"1"), 5),
        (Some(b"b"), None, 6),
    ];
    stores.restore(0, records.into_iter(), 17).unwrap();
    assert_eq!(stores.restore_from(0), Some(17));
    let found = stores.read(0).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].0[..], &found[0].2.value[..], found[0].2.timestamp), (&b"a"[..], &b"1"[..], 3));
}

#[test]
fn windows_are_found_by_key_and_start_and_by_no_longer_key() {
    let mut stores = windows(10 * MINUTE);
    for commit in [false, true] {
        for (key, start) in [("a", 0), ("a", 10), ("ab", 5), ("a", 2 * MINUTE)] {
            put_window(&mut stores, key, start);
        }
        if commit {
            stores.commit().unwrap();
        }
        assert_eq!(starts(&mut stores, "a"), [0, 10, 2 * MINUTE]);
        assert_eq!(starts(&mut stores, "ab"), [5]);
    }
}

#[test]
fn windows_behind_the_retention_are_neither_seen_nor_kept() {
    let mut stores = windows(2 * MINUTE);
    put_window(&mut stores, "a", 0);
    put_window(&mut stores, "a", MINUTE);
    stores.commit().unwrap();
    put_window(&mut stores, "b", 2 * MINUTE);
    assert_eq!(starts(&mut stores, "a"), [MINUTE], "the first one is as old as the retention");
    put_window(&mut stores, "b", 9 * MINUTE);
    assert_eq!(stores.read(0).unwrap().len(), 1);
    put_window(&mut stores, "a", 0);
    assert_eq!(starts(&mut stores, "a"), [0_i64; 0]);
    stores.commit().unwrap();
    assert_eq!(stores.engine.spaces(0).len(), 1, "old segments are dropped whole");
    // Whoever takes the engine over knows how far time has come.
    let mut next = self::stores(StoreShape::Window { retention_ms: 2 * MINUTE }, stores.into_engine());
    put_window(&mut next, "a", 0);
    assert_eq!(starts(&mut next, "a"), [0_i64; 0]);
}
