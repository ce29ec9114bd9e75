//! A sender between hand-fed batches and a model of a broker, with exact time.
mod decisions;
mod faults;
mod limits;
mod sealing;
mod sequences;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use courant_client::retry::Backoff;
use courant_client::{Error, ErrorKind};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::ProduceResponse;
use courant_protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use courant_protocol::record::{BatchHeader, BatchWriter, Batches, NO_HEADERS, ReadOptions, WriterOptions};
use courant_protocol::types::{
    LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, TopicName, UnixMillis,
};
use courant_runtime::Rng;

use super::identity::Producer;
use super::{Batch, Outgoing, Place, Sender, SenderSettings};
use crate::append::{Completion, Delivered};

pub(super) const NODE: NodeId = NodeId(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The sender, the time, and the completions of what went in.
pub(super) struct Scene {
    pub(super) sender: Sender,
    pub(super) now: Instant,
    pub(super) completions: Vec<Arc<Completion>>,
    records: u32,
}

pub(super) fn settings() -> SenderSettings {
    SenderSettings {
        idempotent: true,
        acks: -1,
        max_in_flight: 5,
        max_request_size_bytes: 1 << 20,
        batch_size_bytes: 16 << 10,
        compression_level: None,
        request_timeout: 30 * SECOND,
        delivery_timeout: 120 * SECOND,
        retries: u32::MAX,
        retry_backoff: Backoff::constant(SECOND / 10),
    }
}

pub(super) fn producer(epoch: i16) -> Producer {
    Producer { id: ProducerId(7), epoch: ProducerEpoch(epoch) }
}

impl Scene {
    /// Partitions 0, 1, … of a topic that one broker leads; the producer id is known.
    pub(super) fn new(settings: SenderSettings, partitions: usize) -> Self {
        let now = Instant::now();
        let idempotent = settings.idempotent;
        let mut sender = Sender::new(settings, now, Rng::new(1, "test"));
        for number in 0..partitions {
            sender.handle_place(place(number));
            sender.handle_leader(number, Some(NODE), LeaderEpoch(0));
        }
        if idempotent {
            assert!(sender.poll_identity(now));
            sender.handle_identity(now, Ok(producer(0)));
        }
        Self { sender, now, completions: Vec::new(), records: 0 }
    }

    /// A scene whose partitions have each had a first record acknowledged, so that more than one may be on its way.
    pub(super) fn confirmed(settings: SenderSettings, partitions: usize) -> Self {
        let mut scene = Self::new(settings, partitions);
        for number in 0..partitions {
            scene.push(number, 1);
        }
        let outgoing = scene.request().unwrap();
        scene.answer(&outgoing, |_| ok(0));
        scene.completions.clear();
        scene
    }

    /// Hands over a batch of `records` records, each with the number of all records before it as its value.
    pub(super) fn push(&mut self, number: usize, records: u32) {
        let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
        for _ in 0..records {
            let value = format!("{:0>20}", self.records);
            writer.append(UnixMillis(1), None, Some(value.as_bytes()), NO_HEADERS).unwrap();
            self.records += 1;
        }
        let sealed = writer.seal(Codec::None, None, &mut CompressionScratch::new()).unwrap();
        let completion = Completion::new(TopicName::from("t"), PartitionId(number as i32));
        self.completions.push(Arc::clone(&completion));
        self.sender.handle_batch(number, Batch::new(sealed, completion, None, self.now));
    }

    pub(super) fn request(&mut self) -> Option<Outgoing> {
        self.sender.poll_request(self.now, NODE)
    }

    /// Answers a request, partition by partition.
    pub(super) fn answer(&mut self, request: &Outgoing, answer: impl Fn(usize) -> PartitionProduceResponse) {
        let partitions = request.request.topic_data.iter().flat_map(|topic| &topic.partition_data);
        let partition_responses = partitions
            .map(|data| PartitionProduceResponse { index: data.index, ..answer(data.index as usize) })
            .collect();
        let topic = TopicProduceResponse { name: "t".into(), partition_responses, ..Default::default() };
        let response = ProduceResponse { responses: vec![topic], ..Default::default() };
        self.sender.handle_response(self.now, request.id, &response);
    }

    pub(super) fn lose(&mut self, request: &Outgoing) {
        let error = Error::new(ErrorKind::Transport, "the connection broke");
        self.sender.handle_lost(self.now, request.id, &error);
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.sender.handle_timeout(self.now);
    }

    /// What became of the first record of the nth batch.
    pub(super) fn outcome(&self, nth: usize) -> Option<Delivered> {
        self.completions[nth].now(0)
    }

    pub(super) fn failure(&self, nth: usize) -> Error {
        match self.outcome(nth) {
            Some(Delivered::Failed { error, .. }) => error,
            other => panic!("batch {nth} has not failed: {other:?}"),
        }
    }

    pub(super) fn is_delivered(&self, nth: usize) -> bool {
        matches!(self.outcome(nth), Some(Delivered::At { .. }))
    }
}

pub(super) fn place(number: usize) -> Place {
    Place {
        number,
        topic: TopicName::from("t"),
        topic_id: TopicId::ZERO,
        partition: PartitionId(number as i32),
    }
}

pub(super) fn ok(base_offset: i64) -> PartitionProduceResponse {
    PartitionProduceResponse { base_offset, ..Default::default() }
}

pub(super) fn refused(code: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse { error_code: code.0, base_offset: -1, ..Default::default() }
}

/// Epoch and base sequence of a request's batches, by partition.
pub(super) fn stamps(outgoing: &Outgoing) -> BTreeMap<usize, (i16, i32)> {
    let partitions = outgoing.request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.map(|data| (data.index as usize, header(data.records.clone().unwrap()))).collect()
}

fn header(records: courant_protocol::wire::Records) -> (i16, i32) {
    let header = BatchHeader::parse(&records.into_bytes()).unwrap();
    (header.producer_epoch.0, header.base_sequence.0)
}

/// A broker's memory of one partition: its log, and what it remembers of the producer (Kafka's `ProducerStateManager`).
#[derive(Default)]
pub(super) struct ModelBroker {
    pub(super) log: Vec<String>,
    last: BTreeMap<i64, Remembered>,
}

struct Remembered {
    epoch: i16,
    /// First and last sequence and base offset of the last five batches.
    batches: Vec<(i32, i32, i64)>,
}

impl ModelBroker {
    /// Appends a batch as a broker would, and answers.
    pub(super) fn append(&mut self, records: courant_protocol::wire::Records) -> PartitionProduceResponse {
        let bytes = records.into_bytes();
        let batch = Batches::new(bytes, ReadOptions::default()).next().unwrap().unwrap();
        let header = batch.header();
        let (id, epoch, first) = (header.producer_id.0, header.producer_epoch.0, header.base_sequence.0);
        let last = first.wrapping_add(header.count - 1) & i32::MAX;
        if id >= 0
            && let Some(known) = self.last.get(&id)
        {
            if let Some((.., offset)) =
                known.batches.iter().find(|(a, b, _)| (epoch, *a, *b) == (known.epoch, first, last))
            {
                return ok(*offset);
            }
            let expected = known.batches.last().map_or(0, |(_, last, _)| last.wrapping_add(1) & i32::MAX);
            let fits = match epoch.cmp(&known.epoch) {
                std::cmp::Ordering::Less => return refused(ErrorCode::INVALID_PRODUCER_EPOCH),
                std::cmp::Ordering::Equal => first == expected,
                std::cmp::Ordering::Greater => first == 0,
            };
            if !fits {
                return refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        }
        let offset = self.log.len() as i64;
        let mut scratch = CompressionScratch::new();
        for record in &batch.records(&mut scratch).unwrap() {
            self.log.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
        let known = self.last.entry(id).or_insert(Remembered { epoch, batches: Vec::new() });
        if known.epoch != epoch {
            *known = Remembered { epoch, batches: Vec::new() };
        }
        known.batches.push((first, last, offset));
        if known.batches.len() > 5 {
            known.batches.remove(0);
        }
        PartitionProduceResponse { log_start_offset: 0, ..ok(offset) }
    }
}

/// The records of a request's only partition.
pub(super) fn only_records(outgoing: &Outgoing) -> courant_protocol::wire::Records {
    outgoing.request.topic_data[0].partition_data[0].records.clone().unwrap()
}

pub(super) fn offset(delivered: Option<Delivered>) -> Offset {
    match delivered {
        Some(Delivered::At { offset, .. }) => offset,
        other => panic!("not delivered: {other:?}"),
    }
}
