//! What a reader of committed records has to see of a log, found out by looking at all of it.
use courant_broker_mock::MockCluster;
use courant_protocol::compression::CompressionScratch;
use courant_protocol::record::control::ControlRecord;
use courant_protocol::record::{Batch, Batches, ReadOptions};
use courant_protocol::types::ProducerId;

/// Offset and value of a record.
pub type Seen = (i64, Vec<u8>);

/// The committed records of a partition, and how many others there are.
pub fn of(cluster: &MockCluster, topic: &str, partition: i32) -> (Vec<Seen>, usize) {
    let log: Vec<Batch> = cluster
        .log(topic, partition)
        .into_iter()
        .map(|stored| Batches::new(stored.bytes, ReadOptions::default()).next().unwrap().unwrap())
        .collect();
    let (mut committed, mut hidden) = (Vec::new(), 0);
    for (at, batch) in log.iter().enumerate() {
        let attributes = batch.header().attributes;
        if attributes.is_control() {
            continue;
        }
        let counts = !attributes.is_transactional() || commits(&log[at..], batch.header().producer_id);
        let records = records(batch);
        if counts {
            committed.extend(records);
        } else {
            hidden += records.len();
        }
    }
    (committed, hidden)
}

/// Whether the next marker of the producer commits.
fn commits(log: &[Batch], producer: ProducerId) -> bool {
    let mut own = log.iter().filter(|batch| batch.header().producer_id == producer);
    let marker = own.find(|batch| batch.header().attributes.is_control()).expect("all have ended");
    let opened = marker.records(&mut CompressionScratch::new()).unwrap();
    let record = opened.iter().next().unwrap().unwrap();
    matches!(ControlRecord::parse(&record), Some(ControlRecord::Commit { .. }))
}

fn records(batch: &Batch) -> Vec<Seen> {
    let opened = batch.records(&mut CompressionScratch::new()).unwrap();
    let records = opened.iter().map(|record| record.unwrap());
    records.map(|record| (record.offset.0, record.value.unwrap_or_default().to_vec())).collect()
}
