//! Whole conversations of real clients with a real broker, replayed: the mock answers alike, up to what must differ.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_update,
    reason = "a test panics; messages grow"
)]
mod support;

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use courant_broker_mock::MockCluster;
use courant_protocol::api::ApiKey;
use courant_protocol::frame::{decode_request_header, decode_response_header};
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::types::TopicId;
use courant_protocol::wire::{Reader, Str};
use support::{Client, virtual_world};

/// One recorded frame.
struct Recorded {
    connection: u64,
    is_request: bool,
    api: ApiKey,
    version: i16,
    frame: Vec<u8>,
}

fn session(file: &[u8]) -> Vec<Recorded> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(recorded).collect()
}

fn recorded(line: &str) -> Recorded {
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    let number = |name: &str| json[name].as_i64().unwrap();
    let hex = json["hex"].as_str().unwrap();
    let frame =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    Recorded {
        connection: number("conn") as u64,
        is_request: json["kind"] == "request",
        api: ApiKey::try_from(number("key") as i16).unwrap(),
        version: number("version") as i16,
        frame,
    }
}

fn response(recorded: &Recorded, frame: Bytes) -> AnyResponse {
    let mut reader = Reader::new(frame);
    decode_response_header(&mut reader, recorded.api, recorded.version).unwrap();
    AnyResponse::decode(recorded.api, recorded.version, &mut reader).unwrap()
}

/// Ids of the recording, and what they are called in the replay.
#[derive(Default)]
struct Names {
    bytes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Names {
    fn learn(&mut self, recorded: &[u8], ours: &[u8]) {
        if recorded != ours {
            self.bytes.insert(recorded.to_vec(), ours.to_vec());
        }
    }

    /// The recorded request in the words of the replay.
    fn translate(&self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for (recorded, ours) in &self.bytes {
            let mut at = 0;
            while at + recorded.len() <= frame.len() {
                if frame[at..].starts_with(recorded) {
                    frame[at..at + ours.len()].copy_from_slice(ours);
                }
                at += 1;
            }
        }
        frame
    }

    fn learn_from(&mut self, recorded: &AnyResponse, ours: &AnyResponse) {
        match (recorded, ours) {
            (AnyResponse::Metadata(recorded), AnyResponse::Metadata(ours)) => {
                for (recorded, ours) in recorded.topics.iter().zip(&ours.topics) {
                    self.learn(&recorded.topic_id.0, &ours.topic_id.0);
                }
            }
            (AnyResponse::CreateTopics(recorded), AnyResponse::CreateTopics(ours)) => {
                for (recorded, ours) in recorded.topics.iter().zip(&ours.topics) {
                    self.learn(&recorded.topic_id.0, &ours.topic_id.0);
                }
            }
            (AnyResponse::Fetch(recorded), AnyResponse::Fetch(ours)) if recorded.session_id != 0 => {
                self.learn(&recorded.session_id.to_be_bytes(), &ours.session_id.to_be_bytes());
            }
            (AnyResponse::JoinGroup(recorded), AnyResponse::JoinGroup(ours)) => {
                self.learn(recorded.member_id.as_bytes(), ours.member_id.as_bytes());
            }
            _ => {}
        }
    }
}

/// Configs that 4.4.0 has and 4.3.1 lacks.
const LATER: [&str; 4] = [
    "errors.deadletterqueue.group.enable",
    "max.decompressed.message.bytes",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
];

/// Blanks what may differ: ids, addresses, throttle, the order of configs and later ones.
fn comparable(mut response: AnyResponse) -> AnyResponse {
    match &mut response {
        AnyResponse::Metadata(response) => {
            response.cluster_id = None;
            for broker in &mut response.brokers {
                (broker.host, broker.port) = (Str::new(), 0);
            }
            response.topics.iter_mut().for_each(|topic| topic.topic_id = TopicId::ZERO);
        }
        AnyResponse::DescribeCluster(response) => {
            response.cluster_id = Str::new();
            for broker in &mut response.brokers {
                (broker.host, broker.port) = (Str::new(), 0);
            }
        }
        AnyResponse::InitProducerId(response) => response.producer_id = 0,
        AnyResponse::Produce(response) => {
            response.responses.iter_mut().for_each(|topic| topic.topic_id = TopicId::ZERO);
        }
        AnyResponse::Fetch(response) => {
            response.session_id = i32::from(response.session_id != 0);
            response.responses.iter_mut().for_each(|topic| topic.topic_id = TopicId::ZERO);
        }
        AnyResponse::CreateTopics(response) => {
            for topic in &mut response.topics {
                topic.topic_id = TopicId::ZERO;
                topic
                    .configs
                    .iter_mut()
                    .for_each(|configs| configs.retain(|config| !LATER.contains(&&*config.name)));
            }
        }
        AnyResponse::DescribeConfigs(response) => {
            for result in &mut response.results {
                result.configs.retain(|config| !LATER.contains(&&*config.name));
                result.configs.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        AnyResponse::DescribeTopicPartitions(response) => {
            response.topics.iter_mut().for_each(|topic| topic.topic_id = TopicId::ZERO);
        }
        AnyResponse::FindCoordinator(response) => {
            for coordinator in &mut response.coordinators {
                (coordinator.host, coordinator.port) = (Str::new(), 0);
            }
        }
        AnyResponse::JoinGroup(response) => {
            response.members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        }
        AnyResponse::DeleteTopics(response) => {
            response.responses.iter_mut().for_each(|topic| topic.topic_id = TopicId::ZERO);
        }
        _ => {}
    }
    response
}

fn broker() -> MockCluster {
    MockCluster::builder()
        .racks(["rack-a"])
        .config("log.retention.ms", "-1")
        .topic("sess-topic", 4)
        .world(virtual_world())
        .build()
        .unwrap()
}

/// Replays a session; gives how many answers were compared.
async fn replay(cluster: &MockCluster, session: &[Recorded]) -> usize {
    let mut names = Names::default();
    let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
    let mut compared = 0;
    for (at, recorded) in session.iter().enumerate() {
        let client = match clients.entry(recorded.connection) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Client::connect(cluster, 1).await)
            }
        };
        if recorded.is_request {
            client.send_frame(&names.translate(&recorded.frame)).await;
            continue;
        }
        let frame = client.receive_frame().await.unwrap_or_else(|| panic!("closed before frame {at}"));
        if recorded.api == ApiKey::ApiVersions {
            // The recording client asks in version 5, which 4.3.1 lacks: error 35 in the form of version 0.
            let refusal =
                AnyResponse::decode(ApiKey::ApiVersions, 0, &mut Reader::new(frame.slice(4..))).unwrap();
            let AnyResponse::ApiVersions(refusal) = refusal else { unreachable!() };
            assert_eq!((refusal.error_code, refusal.api_keys.len()), (35, 1));
            assert_eq!(refusal.api_keys[0].max_version, 4);
            continue;
        }
        let wanted = response(recorded, recorded.frame.clone().into());
        let got = response(recorded, frame);
        names.learn_from(&wanted, &got);
        let wanted = response(recorded, names.translate(&recorded.frame).into());
        if let AnyResponse::InitProducerId(wanted) = &wanted
            && wanted.error_code == 14
        {
            continue;
        }
        assert_eq!(comparable(got), comparable(wanted), "frame {at}, {}", recorded.api);
        compared += 1;
    }
    compared
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_producer_is_answered_as_by_kafka() {
    let session = session(include_bytes!("golden/producer-idempotent.jsonl.gz"));
    assert_eq!(replay(&broker(), &session).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_topics_whole_life_is_answered_as_by_kafka() {
    let session = session(include_bytes!("golden/admin-topic-lifecycle.jsonl.gz"));
    assert_eq!(replay(&broker(), &session).await, 9);
}

#[tokio::test(start_paused = true)]
async fn incremental_fetches_are_answered_as_by_kafka() {
    let session = session(include_bytes!("golden/fetch-session.jsonl.gz"));
    let cluster = broker();
    fill(&cluster, &session);
    assert_eq!(replay(&cluster, &session).await, 18);
}

/// Appends what the session's first fetch found.
fn fill(cluster: &MockCluster, session: &[Recorded]) {
    let first =
        session.iter().find(|recorded| recorded.api == ApiKey::Fetch && !recorded.is_request).unwrap();
    let AnyResponse::Fetch(first) = response(first, first.frame.clone().into()) else { unreachable!() };
    for partition in &first.responses[0].partitions {
        let records = partition.records.clone().unwrap().into_bytes();
        if records.is_empty() {
            continue;
        }
        assert_eq!(cluster.append_raw("sess-topic", partition.partition_index, records).unwrap().0, 0);
        let end = cluster.log_end("sess-topic", partition.partition_index).unwrap();
        assert_eq!(end.0, partition.high_watermark);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_assigns_by_range_is_answered_as_by_kafka() {
    let session = session(include_bytes!("golden/classic-group-range.jsonl.gz"));
    let cluster = broker();
    fill(&cluster, &session);
    assert_eq!(replay(&cluster, &session).await, 72);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_rebalances_cooperatively_is_answered_as_by_kafka() {
    let session = session(include_bytes!("golden/classic-group-cooperative.jsonl.gz"));
    let cluster = broker();
    fill(&cluster, &session);
    assert_eq!(replay(&cluster, &session).await, 77);
}

#[test]
fn the_recordings_hold_the_requests_that_they_name() {
    for file in [
        &include_bytes!("golden/producer-idempotent.jsonl.gz")[..],
        include_bytes!("golden/fetch-session.jsonl.gz"),
        include_bytes!("golden/admin-topic-lifecycle.jsonl.gz"),
        include_bytes!("golden/classic-group-range.jsonl.gz"),
        include_bytes!("golden/classic-group-cooperative.jsonl.gz"),
    ] {
        for recorded in session(file).iter().filter(|recorded| recorded.is_request) {
            let mut reader = Reader::new(recorded.frame.clone().into());
            let header = decode_request_header(&mut reader).unwrap();
            assert_eq!(header.api_key, i16::from(recorded.api));
            assert!(AnyRequest::decode(recorded.api, recorded.version, &mut reader).is_ok());
        }
    }
}
