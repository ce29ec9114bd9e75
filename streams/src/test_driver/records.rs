//! The records of a mock's logs.
use bytes::Bytes;
use courant_broker_mock::MockCluster;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::{Batches, ReadOptions};

/// A record as a log has it.
pub(super) struct Logged {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
}

/// The records of a partition from an offset on; what cannot be read is left out, as control records are.
pub(super) fn records(cluster: &MockCluster, topic: &str, partition: i32, from: i64) -> Vec<Logged> {
    let mut scratch = CompressionScratch::new();
    let mut found = Vec::new();
    for stored in cluster.log(topic, partition) {
        for batch in Batches::new(stored.bytes, ReadOptions::default()).filter_map(Result::ok) {
            if batch.header().attributes.is_control() {
                continue;
            }
            let Ok(records) = batch.records(&mut scratch) else { continue };
            let views = records.into_iter().filter_map(Result::ok).filter(|view| view.offset.0 >= from);
            found.extend(views.map(|view| Logged {
                offset: view.offset.0,
                timestamp: view.timestamp.0,
                key: view.key.map(Bytes::copy_from_slice),
                value: view.value.map(Bytes::copy_from_slice),
            }));
        }
    }
    found
}
