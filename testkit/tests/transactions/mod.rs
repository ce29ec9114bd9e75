//! Transactions on Apache Kafka, written request by request, and the same log in the mock: what readers of committed records
//! are told of it, from every offset and in reads of many sizes, has to be the same.
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use courant::TopicName;
use courant::admin::{Admin, NewTopic};
use courant::consumer::{Consumer, IsolationLevel};
use courant::mock::MockCluster;
use courant_client::{CoordinatorKind, Kafka, Target};
use courant_protocol::api::Request;
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_producers::{ProducerState, TopicRequest};
use courant_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use courant_protocol::messages::metadata::MetadataRequestTopic;
use courant_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use courant_protocol::messages::{
    ApiVersionsRequest, DescribeProducersRequest, EndTxnRequest, FetchRequest, InitProducerIdRequest,
    MetadataRequest, ProduceRequest,
};
use courant_protocol::record::{BatchWriter, Batches, NO_HEADERS, ReadOptions, Stamp, WriterOptions};
use courant_protocol::types::{NodeId, ProducerEpoch, ProducerId, Sequence, TopicId, UnixMillis};
use courant_protocol::wire::Str;

const PATIENCE: Duration = Duration::from_secs(30);
/// How much a read may bring: less than a batch, some batches, some entries of the index, everything.
const SIZES: [i32; 4] = [1, 1_500, 6_000, 1 << 20];

/// A partition of a cluster, whichever it is.
struct Place {
    kafka: Kafka,
    topic: TopicName,
    id: TopicId,
    leader: NodeId,
}

impl Place {
    async fn find(kafka: Kafka, topic: &TopicName) -> Self {
        let name = Some(Str::from(&**topic));
        let topics = vec![MetadataRequestTopic { name, ..Default::default() }];
        let request = MetadataRequest { topics: Some(topics), ..Default::default() };
        loop {
            let deadline = kafka.world().now() + PATIENCE;
            let (answer, _) =
                kafka.cluster().call(Target::Any, request.clone(), deadline).await.expect("metadata");
            let found = &answer.topics[0];
            if let Some(partition) = found.partitions.first().filter(|one| one.leader_id >= 0) {
                let (id, leader) = (found.topic_id, NodeId(partition.leader_id));
                return Self { kafka, topic: topic.clone(), id, leader };
            }
            kafka.world().sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask<R: Request + Clone>(&self, target: Target, request: R) -> R::Response {
        let deadline = self.kafka.world().now() + PATIENCE;
        self.kafka.cluster().call(target, request, deadline).await.expect("answered").0
    }

    async fn fetch(&self, offset: i64, size: i32, isolation_level: i8) -> PartitionData {
        let partition =
            FetchPartition { fetch_offset: offset, partition_max_bytes: size, ..Default::default() };
        let topic =
            FetchTopic { topic: Str::from(&*self.topic), topic_id: self.id, partitions: vec![partition] };
        let request = FetchRequest {
            min_bytes: 0,
            max_bytes: 1 << 30,
            isolation_level,
            session_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        self.ask(Target::Node(self.leader), request).await.responses.remove(0).partitions.remove(0)
    }

    async fn producers(&self) -> Vec<ProducerState> {
        let topics = vec![TopicRequest { name: Str::from(&*self.topic), partition_indexes: vec![0] }];
        let request = DescribeProducersRequest { topics };
        let mut topics = self.ask(Target::Node(self.leader), request).await.topics;
        let mut producers = topics.remove(0).partitions.remove(0).active_producers;
        producers.sort_by_key(|producer| producer.producer_id);
        producers
    }
}

/// A producer of transactions (transactions v2, KIP-890).
struct Writer<'p> {
    place: &'p Place,
    transactional_id: Str,
    id: i64,
    epoch: i16,
    sequence: i32,
    /// The offsets of the transaction's records.
    open: Vec<i64>,
    committed: Vec<i64>,
}

impl<'p> Writer<'p> {
    async fn begin(place: &'p Place, name: &str) -> Self {
        let transactional_id = Str::from(format!("{}-{name}", place.topic));
        let coordinator = Target::Coordinator(CoordinatorKind::Transaction, transactional_id.to_string());
        let request = InitProducerIdRequest {
            transactional_id: Some(transactional_id.clone()),
            transaction_timeout_ms: 60_000,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        };
        loop {
            let answer = place.ask(coordinator.clone(), request.clone()).await;
            if answer.error_code == 0 {
                let (id, epoch) = (answer.producer_id, answer.producer_epoch);
                let (open, committed) = (Vec::new(), Vec::new());
                return Self { place, transactional_id, id, epoch, sequence: 0, open, committed };
            }
            assert!(ErrorCode(answer.error_code).is_retriable(), "{}", ErrorCode(answer.error_code));
            place.kafka.world().sleep(Duration::from_millis(50)).await;
        }
    }

    async fn write(&mut self, count: i32, value_bytes: usize) {
        let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
        for _ in 0..count {
            let now = self.place.kafka.world().unix_millis();
            writer.append(now, Some(b"k"), Some(&vec![b'v'; value_bytes]), NO_HEADERS).expect("it fits");
        }
        let sealed = writer.seal(Codec::None, None, &mut CompressionScratch::new()).expect("sealed");
        let (id, epoch) = (ProducerId(self.id), ProducerEpoch(self.epoch));
        let stamp = Stamp::idempotent(id, epoch, Sequence(self.sequence)).transactional(true);
        let records = Some(sealed.to_bytes(&stamp).into());
        let data = TopicProduceData {
            name: Str::from(&*self.place.topic),
            topic_id: self.place.id,
            partition_data: vec![PartitionProduceData { index: 0, records }],
        };
        let request = ProduceRequest {
            transactional_id: Some(self.transactional_id.clone()),
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![data],
        };
        // The transaction before may still be ending.
        let base_offset = loop {
            let answer = self.place.ask(Target::Node(self.place.leader), request.clone()).await;
            let partition = &answer.responses[0].partition_responses[0];
            match ErrorCode(partition.error_code) {
                ErrorCode::NONE => break partition.base_offset,
                code => assert!(code.is_retriable(), "{code}"),
            }
            self.place.kafka.world().sleep(Duration::from_millis(20)).await;
        };
        self.open.extend(base_offset..base_offset + i64::from(count));
        self.sequence += count;
    }

    async fn end(&mut self, committed: bool) {
        let request = EndTxnRequest {
            transactional_id: self.transactional_id.clone(),
            producer_id: self.id,
            producer_epoch: self.epoch,
            committed,
        };
        let coordinator =
            Target::Coordinator(CoordinatorKind::Transaction, self.transactional_id.to_string());
        loop {
            let answer = self.place.ask(coordinator.clone(), request.clone()).await;
            if answer.error_code == 0 {
                (self.id, self.epoch, self.sequence) = (answer.producer_id, answer.producer_epoch, 0);
                let ended = std::mem::take(&mut self.open);
                self.committed.extend(ended.into_iter().filter(|_| committed));
                return;
            }
            assert!(ErrorCode(answer.error_code).is_retriable(), "{}", ErrorCode(answer.error_code));
            self.place.kafka.world().sleep(Duration::from_millis(20)).await;
        }
    }
}

/// All of the log, and how many markers are in it.
async fn log(place: &Place) -> (Bytes, usize) {
    let mut log = BytesMut::new();
    let (mut next, mut markers) = (0, 0);
    loop {
        let data = place.fetch(next, 1 << 20, 0).await;
        let bytes = data.records.unwrap_or_default().into_bytes();
        for batch in Batches::new(bytes.clone(), ReadOptions::default()) {
            let header = *batch.expect("a batch").header();
            next = header.last_offset.0 + 1;
            markers += usize::from(header.attributes.is_control());
        }
        log.extend_from_slice(&bytes);
        if next >= data.high_watermark {
            return (log.freeze(), markers);
        }
    }
}

/// The log once it holds so many markers: they are written behind the back of whoever ends a transaction.
async fn log_with_markers(place: &Place, markers: usize) -> Bytes {
    loop {
        match log(place).await {
            (log, found) if found == markers => return log,
            (_, found) => assert!(found < markers, "{found} markers instead of {markers}"),
        }
        place.kafka.world().sleep(Duration::from_millis(20)).await;
    }
}

async fn copied(topic: &TopicName, log: Bytes) -> (MockCluster, Place) {
    let configs = [("retention.ms", "-1")];
    let cluster = MockCluster::builder().topic_with(&**topic, 1, None, configs).build().expect("a cluster");
    cluster.append_raw(topic, 0, log).expect("a log");
    let builder = Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world());
    let kafka = builder.connect().await.expect("the mock answers");
    let place = Place::find(kafka, topic).await;
    (cluster, place)
}

/// What a broker says, without what belongs to the broker.
fn said(data: PartitionData) -> (Bytes, Vec<(i64, i64)>, i64, i64, i16) {
    let records = data.records.unwrap_or_default().into_bytes();
    let aborted = data.aborted_transactions.unwrap_or_default();
    let aborted = aborted.iter().map(|txn| (txn.producer_id, txn.first_offset)).collect();
    (records, aborted, data.high_watermark, data.last_stable_offset, data.error_code)
}

async fn compare(kafka: &Place, mock: &Place) {
    let end = kafka.fetch(0, 1, 0).await.high_watermark;
    assert!(end > 0);
    for offset in 0..=end + 1 {
        for size in SIZES {
            let (real, ours) = (kafka.fetch(offset, size, 1).await, mock.fetch(offset, size, 1).await);
            assert_eq!(said(ours), said(real), "{size} bytes from {offset}");
        }
    }
    assert_eq!(mock.producers().await, kafka.producers().await);
}

/// Whether partitions join a transaction by being written to, and its end gives the next epoch (KIP-890).
async fn has_transactions_v2(kafka: &Kafka) -> bool {
    let deadline = kafka.world().now() + PATIENCE;
    let request = ApiVersionsRequest {
        client_software_name: Str::from("conformance"),
        client_software_version: Str::from("1"),
        ..Default::default()
    };
    let (answer, _) = kafka.cluster().call(Target::Any, request, deadline).await.expect("answered");
    assert_eq!(answer.error_code, 0);
    let level = answer.finalized_features.iter().find(|feature| &*feature.name == "transaction.version");
    level.is_some_and(|feature| feature.max_version_level >= 2)
}

/// Interleaved transactions of every kind of end; the mock has to say the same while some are open, and afterwards.
pub(crate) async fn story(bootstrap: &str) {
    let kafka = Kafka::builder().bootstrap(bootstrap).connect().await.expect("the cluster answers");
    if !has_transactions_v2(&kafka).await {
        eprintln!("transactions v2 are off on this cluster");
        return;
    }
    let UnixMillis(now) = kafka.world().unix_millis();
    let topic = TopicName::from(format!("aborted-{now}"));
    let new = NewTopic::new(topic.clone()).partitions(1).config("retention.ms", "-1");
    Admin::new(&kafka).create_topics([new]).await.all().expect("created");
    let place = Place::find(kafka, &topic).await;
    let mut writers = Vec::new();
    for name in ["a", "b", "c"] {
        writers.push(Writer::begin(&place, name).await);
    }
    let mut markers = 0;
    for turn in 0..12 {
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.write(1 + (turn % 3), 100 + 150 * number).await;
        }
        // Two of them end in another order each time, one goes on; most abort.
        for pick in [turn % 3, (turn + 2) % 3] {
            let writer = &mut writers[usize::try_from(pick).unwrap_or_default()];
            writer.end(turn % 4 == 3).await;
            markers += 1;
        }
    }
    let (_cluster, mock) = copied(&topic, log_with_markers(&place, markers).await).await;
    compare(&place, &mock).await;
    for writer in &mut writers {
        writer.write(1, 10).await;
        writer.end(false).await;
    }
    let (_cluster, mock) = copied(&topic, log_with_markers(&place, markers + 3).await).await;
    compare(&place, &mock).await;
    let mut committed: Vec<i64> = writers.into_iter().flat_map(|writer| writer.committed).collect();
    committed.sort_unstable();
    assert!(!committed.is_empty());
    for place in [&place, &mock] {
        assert_eq!(read(place, committed.len()).await, committed);
    }
}

/// The offsets that a consumer of committed records is given, so many at least.
async fn read(place: &Place, count: usize) -> Vec<i64> {
    let builder = Consumer::builder(&place.kafka).assign([(place.topic.clone(), 0)]);
    let builder = builder.auto_offset_reset("earliest").isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = builder.start().await.expect("it starts");
    let mut read = Vec::new();
    while read.len() < count {
        let polled = tokio::time::timeout(PATIENCE, consumer.poll()).await.expect("in time");
        let batch = polled.expect("records").expect("it is open");
        read.extend(batch.iter().map(|record| record.offset().0));
    }
    read
}
