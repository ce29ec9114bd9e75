//! One task for each sub-topology, every topic with one partition, and all of it in maps.
use std::collections::{BTreeMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use courant_protocol::types::TopicPartition;

use crate::operator::{Context, Dropped, ProcessError, SinkRecord, ValueAndTimestamp};
use crate::record::{Headers, RawRecord};
use crate::topology::{SinkIndex, StoreIndex, TaskGraph, Topology, internal_topic};

/// The name of the application.
pub(super) const APPLICATION: &str = "app";

/// A topology that runs in one place.
pub(super) struct Single {
    topology: Topology,
    tasks: Vec<(TaskGraph, Task)>,
    offset: i64,
}

/// A record that was written to a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    pub(super) topic: String,
    pub(super) timestamp: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(String, Option<Bytes>)>,
}

/// What a task keeps, and what became of its records.
pub(super) struct Task {
    sinks: Vec<String>,
    stores: Vec<String>,
    values: BTreeMap<(usize, Vec<u8>), ValueAndTimestamp>,
    windows: BTreeMap<(usize, Vec<u8>, i64), ValueAndTimestamp>,
    written: Vec<Written>,
    pub(super) dropped: Vec<(i64, Dropped)>,
    pub(super) errors: Vec<ProcessError>,
    pub(super) restored_stream_time: i64,
}

impl Single {
    pub(super) fn new(topology: Topology) -> Self {
        let tasks = topology.sub_topologies().iter().map(|sub| {
            let sinks = sub.sinks.iter().map(|sink| match sink.internal {
                true => internal_topic(APPLICATION, &sink.name),
                false => sink.name.clone(),
            });
            let task = Task {
                sinks: sinks.collect(),
                stores: sub.stores.iter().map(|store| store.changelog(APPLICATION)).collect(),
                values: BTreeMap::new(),
                windows: BTreeMap::new(),
                written: Vec::new(),
                dropped: Vec::new(),
                errors: Vec::new(),
                restored_stream_time: -1,
            };
            (sub.wire(APPLICATION).unwrap(), task)
        });
        let tasks = tasks.collect();
        Self { topology, tasks, offset: 0 }
    }

    /// The task of a sub-topology.
    pub(super) fn task(&mut self, sub_topology: usize) -> &mut Task {
        &mut self.tasks[sub_topology].1
    }

    /// Processes a record, and whatever comes of it; everything that was written, in order.
    pub(super) fn send(&mut self, record: Written) -> Vec<Written> {
        let (mut waiting, mut all) = (VecDeque::from([record]), Vec::new());
        while let Some(record) = waiting.pop_front() {
            let written = self.process(vec![record]).unwrap();
            let is_internal = |written: &&Written| written.topic.ends_with("-repartition");
            waiting.extend(written.iter().filter(is_internal).cloned());
            all.extend(written);
        }
        all
    }

    /// Processes records of one topic in one run; everything that was written, in order. There must be no repartition.
    pub(super) fn send_run(&mut self, records: Vec<Written>) -> Vec<Written> {
        self.process(records).unwrap()
    }

    /// Processes records of one topic in the tasks that read it.
    fn process(&mut self, records: Vec<Written>) -> Result<Vec<Written>, ProcessError> {
        let Some(topic) = records.first().map(|record| record.topic.clone()) else { return Ok(Vec::new()) };
        let raws: Vec<RawRecord> = records.into_iter().map(|record| self.raw(record)).collect();
        let mut written = Vec::new();
        for (sub, (graph, task)) in self.topology.sub_topologies().iter().zip(&mut self.tasks) {
            for source in &sub.sources {
                let name = match source.internal {
                    true => internal_topic(APPLICATION, &source.name),
                    false => source.name.clone(),
                };
                if name == topic {
                    let partition = TopicPartition::new(name, 0);
                    graph.process(source.source, &partition, &raws, task)?;
                    written.append(&mut task.written);
                }
            }
        }
        Ok(written)
    }

    /// A record as its topic has it, at the next offset.
    fn raw(&mut self, record: Written) -> RawRecord {
        self.offset += 1;
        let headers = record.headers.into_iter().map(|(name, value)| (name.into(), value));
        let (key, value, headers) = (record.key, record.value, headers.collect::<Headers>());
        RawRecord { offset: self.offset, timestamp: record.timestamp, key, value, headers }
    }
}

impl Task {
    fn log(&mut self, store: StoreIndex, key: Bytes, value: Option<Bytes>, timestamp: i64) {
        let topic = self.stores[store.0].clone();
        self.written.push(Written { topic, timestamp, key: Some(key), value, headers: Vec::new() });
    }
}

impl Context for Task {
    fn restored_stream_time(&self) -> i64 {
        self.restored_stream_time
    }

    fn get(&mut self, store: StoreIndex, key: &[u8]) -> Result<Option<ValueAndTimestamp>, ProcessError> {
        Ok(self.values.get(&(store.0, key.to_vec())).cloned())
    }

    fn put(
        &mut self,
        store: StoreIndex,
        key: &Bytes,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError> {
        let place = (store.0, key.to_vec());
        match value.clone() {
            Some(value) => drop(self.values.insert(place, ValueAndTimestamp { value, timestamp })),
            None => drop(self.values.remove(&place)),
        }
        self.log(store, key.clone(), value, timestamp);
        Ok(())
    }

    fn fetch(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
    ) -> Result<Option<ValueAndTimestamp>, ProcessError> {
        Ok(self.windows.get(&(store.0, key.to_vec(), start)).cloned())
    }

    fn put_window(
        &mut self,
        store: StoreIndex,
        key: &[u8],
        start: i64,
        value: Option<Bytes>,
        timestamp: i64,
    ) -> Result<(), ProcessError> {
        let place = (store.0, key.to_vec(), start);
        match value.clone() {
            Some(value) => drop(self.windows.insert(place, ValueAndTimestamp { value, timestamp })),
            None => drop(self.windows.remove(&place)),
        }
        let mut whole = BytesMut::from(key);
        whole.put_i64(start);
        whole.put_i32(0);
        self.log(store, whole.freeze(), value, timestamp);
        Ok(())
    }

    fn send(&mut self, sink: SinkIndex, record: SinkRecord) -> Result<(), ProcessError> {
        let headers = record.headers.as_slice().iter().map(|(name, value)| (name.to_string(), value.clone()));
        self.written.push(Written {
            topic: self.sinks[sink.0].clone(),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: headers.collect(),
        });
        Ok(())
    }

    fn dropped(&mut self, _: &TopicPartition, offset: i64, reason: Dropped) {
        self.dropped.push((offset, reason));
    }

    fn handle_error(&mut self, error: ProcessError, _: Option<&RawRecord>) -> Result<(), ProcessError> {
        self.errors.push(error);
        Ok(())
    }
}
