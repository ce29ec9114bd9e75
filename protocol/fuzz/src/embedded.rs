//! What consumers of a group tell each other: whatever can be read can be written and read again.
use bytes::Bytes;
use courant_protocol::embedded::{Assignment, Subscription, VERSION};

/// Reads bytes as a subscription and as an assignment; whether they are either.
pub fn run(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let subscription = Subscription::decode(bytes.clone()).ok();
    if let Some(read) = &subscription {
        let again = Subscription::decode(read.encode(VERSION).expect("it was read")).expect("it was written");
        // The partitions are written in their order.
        let sorted = |subscription: &Subscription| {
            let mut sorted = subscription.clone();
            sorted.owned.sort();
            sorted
        };
        assert_eq!(sorted(&again), sorted(read));
    }
    let assignment = Assignment::decode(bytes).ok();
    if let Some(read) = &assignment {
        let again = Assignment::decode(read.encode(VERSION).expect("it was read")).expect("it was written");
        // The partitions are written topic by topic.
        assert_eq!(again.encode(VERSION), read.encode(VERSION));
    }
    subscription.is_some() || assignment.is_some()
}
