//! A client as small as can be: frames over in-process connections, in virtual time.
#![allow(dead_code, reason = "each test file uses a part")]
pub(crate) mod member;
pub(crate) mod reading;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use courant_broker_mock::MockCluster;
use courant_protocol::api::{ApiKey, Request};
use courant_protocol::compression::{Codec, CompressionScratch};
use courant_protocol::frame::{decode_response, encode_request};
use courant_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use courant_protocol::messages::{ProduceRequest, ProduceResponse};
use courant_protocol::record::{BatchWriter, NO_HEADERS, SealedBatch, Stamp, WriterOptions};
use courant_protocol::types::{ProducerEpoch, ProducerId, Sequence, UnixMillis};
use courant_runtime::{Duplex, VirtualClock, World};

/// When the virtual clocks begin: soon after the golden sessions were recorded.
pub(crate) const START: UnixMillis = UnixMillis(1_795_366_000_000);

/// A world on tokio's clock, which a test pauses.
pub(crate) fn virtual_world() -> World {
    World::builder().clock(Arc::new(VirtualClock::starting_at(START))).seed(1).build()
}

/// A connection to one broker.
pub(crate) struct Client {
    duplex: Box<dyn Duplex>,
    incoming: BytesMut,
    next_correlation: i32,
}

impl Client {
    /// Connects to broker `node`.
    pub(crate) async fn connect(cluster: &MockCluster, node: i32) -> Self {
        Self::try_connect(cluster, node).await.unwrap()
    }

    pub(crate) async fn try_connect(cluster: &MockCluster, node: i32) -> std::io::Result<Self> {
        let address = format!("mock-{node}:9092").parse().unwrap();
        let duplex = cluster.transport().connect(&address).await?;
        Ok(Self { duplex, incoming: BytesMut::new(), next_correlation: 0 })
    }

    /// Connects by TCP.
    pub(crate) async fn tcp(address: &str) -> std::io::Result<Self> {
        let duplex = World::tokio().connect(&address.parse().unwrap()).await?;
        Ok(Self { duplex, incoming: BytesMut::new(), next_correlation: 0 })
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.duplex.write_all(bytes).await
    }

    /// Sends a frame without its size.
    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        self.duplex.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).await.unwrap();
        self.duplex.write_all(frame).await.unwrap();
    }

    /// The next frame without its size; `None` when the broker has closed the connection.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(prefix) = self.incoming.get(..4) {
                let size = u32::from_be_bytes(prefix.try_into().unwrap()) as usize;
                if self.incoming.len() >= 4 + size {
                    let frame = self.incoming.split_to(4 + size).freeze();
                    return Some(frame.slice(4..));
                }
            }
            if self.duplex.read(&mut self.incoming).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// Sends a request without waiting.
    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.next_correlation += 1;
        let frame = encode_request(request, version, self.next_correlation, Some("test")).unwrap();
        self.send_bytes(&frame.into_bytes()).await.unwrap();
    }

    /// The next response, which must be to a request of type `R`.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let frame = self.receive_frame().await?;
        Some(decode_response::<R>(frame, version).unwrap().1)
    }

    /// Asks and waits.
    pub(crate) async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version).await;
        self.receive::<R>(version).await.unwrap_or_else(|| panic!("{} closed the connection", R::KEY))
    }
}

/// A batch with these values, written by this producer from this sequence on.
pub(crate) fn batch(values: &[&str], producer: Option<(i64, i16, i32)>, codec: Codec) -> Bytes {
    batch_at(START, values, producer, codec)
}

pub(crate) fn batch_at(
    time: UnixMillis,
    values: &[&str],
    producer: Option<(i64, i16, i32)>,
    codec: Codec,
) -> Bytes {
    let mut stamp = Stamp::default();
    if let Some((id, epoch, sequence)) = producer {
        stamp.producer_id = ProducerId(id);
        stamp.producer_epoch = ProducerEpoch(epoch);
        stamp.base_sequence = Sequence(sequence);
    }
    sealed(time, values, codec).to_bytes(&stamp)
}

/// A batch that nobody has stamped.
pub(crate) fn sealed(time: UnixMillis, values: &[&str], codec: Codec) -> SealedBatch {
    let mut writer = BatchWriter::new(BytesMut::new(), WriterOptions::default());
    for value in values {
        writer.append(time, Some(b"key"), Some(value.as_bytes()), NO_HEADERS).unwrap();
    }
    writer.seal(codec, None, &mut CompressionScratch::new()).unwrap()
}

/// A Produce of one batch with acks=all.
pub(crate) fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batch.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Error and base offset of the only partition of an answer.
pub(crate) fn produced(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// The APIs of `golden/4.3.1.txt` with their versions.
pub(crate) fn announced_by_kafka() -> Vec<(ApiKey, i16, i16)> {
    let text = include_str!("../golden/4.3.1.txt");
    let rows = text.lines().filter(|line| line.starts_with(' '));
    rows.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let key: i16 = words[0].parse().unwrap();
        (ApiKey::try_from(key).unwrap(), words[2].parse().unwrap(), words[3].parse().unwrap())
    })
    .collect()
}
