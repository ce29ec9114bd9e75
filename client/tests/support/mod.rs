//! A transport whose peers do what a test says: brokers that answer by a function, and things that are no brokers.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use courant_protocol::api::{ApiKey, Request};
use courant_protocol::frame::{RequestHeader, decode_request_header, encode_response_with};
use courant_protocol::messages::api_versions::ApiVersion;
use courant_protocol::messages::find_coordinator::Coordinator;
use courant_protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use courant_protocol::messages::{
    AnyRequest, AnyResponse, ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest,
    DescribeClusterResponse, FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use courant_protocol::types::{NodeId, TopicId};
use courant_protocol::wire::{Reader, Writer};
use courant_runtime::{Address, BoxFuture, Duplex, Transport, World, duplex};

/// What stands at an address.
#[derive(Clone)]
pub(crate) enum Peer {
    /// Nothing: connections are refused.
    Nothing,
    /// Something that takes connections and never says anything.
    Silence,
    /// Something that answers the first bytes with these, and closes.
    Says(Vec<u8>),
    /// Something that closes at once.
    Closes,
    /// A broker.
    Broker(Arc<dyn Fn(&Asked) -> Reply + Send + Sync>),
}

/// A request as a broker sees it.
pub(crate) struct Asked {
    pub(crate) address: Address,
    /// The how-manieth connection to this address it came by, from 1.
    pub(crate) connection: usize,
    pub(crate) header: RequestHeader,
    pub(crate) request: AnyRequest,
}

/// What a broker does with a request.
pub(crate) enum Reply {
    Now(AnyResponse),
    After(Duration, AnyResponse),
    Never,
    Cut,
}

/// The network of a test.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    peers: BTreeMap<String, Peer>,
    attempts: BTreeMap<String, usize>,
    asked: Vec<(String, usize, ApiKey)>,
    live: usize,
    breakers: Vec<duplex::Breaker>,
}

impl Network {
    pub(crate) fn with(self, address: &str, peer: Peer) -> Self {
        self.set(address, peer);
        self
    }

    pub(crate) fn set(&self, address: &str, peer: Peer) {
        self.0.lock().unwrap().peers.insert(address.to_owned(), peer);
    }

    /// Three brokers, `mock-1:9092` to `mock-3:9092`, that answer as [`usual`] does unless `first` has an answer.
    pub(crate) fn brokers(first: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let broker = Peer::Broker(Arc::new(move |asked| first(asked).unwrap_or_else(|| usual(asked))));
        let network = Self::default();
        (1..=3).for_each(|node| network.set(&format!("mock-{node}:9092"), broker.clone()));
        network
    }

    /// A world with this network, its own clock (tokio's, paused by the test) and a fixed seed.
    pub(crate) fn world(&self) -> World {
        World::builder().transport(Arc::new(self.clone())).seed(1).build()
    }

    /// How often somebody tried to connect to this address.
    pub(crate) fn attempts(&self, address: &str) -> usize {
        self.0.lock().unwrap().attempts.get(address).copied().unwrap_or(0)
    }

    /// Resets every connection.
    pub(crate) fn cut_all(&self) {
        self.0.lock().unwrap().breakers.drain(..).for_each(|breaker| breaker.reset());
    }

    /// How many connections the peers still serve.
    pub(crate) fn live(&self) -> usize {
        self.0.lock().unwrap().live
    }

    /// Every request so far but ApiVersions: address, connection, API.
    pub(crate) fn asked(&self, api: ApiKey) -> Vec<(String, usize)> {
        let state = self.0.lock().unwrap();
        let of_api = state.asked.iter().filter(|(_, _, asked)| *asked == api);
        of_api.map(|(address, connection, _)| (address.clone(), *connection)).collect()
    }
}

impl Transport for Network {
    fn connect(&self, address: &Address) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let name = address.to_string();
        let (peer, connection) = {
            let mut state = self.0.lock().unwrap();
            let attempts = state.attempts.entry(name.clone()).or_default();
            *attempts += 1;
            let connection = *attempts;
            (state.peers.get(&name).cloned().unwrap_or(Peer::Nothing), connection)
        };
        let (network, address) = (self.clone(), address.clone());
        Box::pin(async move {
            if matches!(peer, Peer::Nothing) {
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
            }
            let (ours, theirs) = duplex::pair(1 << 16);
            network.0.lock().unwrap().breakers.push(ours.breaker());
            tokio::spawn(async move {
                network.0.lock().unwrap().live += 1;
                network.clone().serve(peer, address, connection, Box::new(theirs)).await;
                network.0.lock().unwrap().live -= 1;
            });
            Ok(Box::new(ours) as Box<dyn Duplex>)
        })
    }

    fn describe(&self) -> &str {
        "scripted network"
    }
}

impl Network {
    async fn serve(self, peer: Peer, address: Address, connection: usize, mut socket: Box<dyn Duplex>) {
        match peer {
            Peer::Nothing | Peer::Closes => {}
            Peer::Silence => {
                let mut buffer = BytesMut::new();
                while socket.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            }
            Peer::Says(bytes) => {
                let mut buffer = BytesMut::new();
                if socket.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    let _gone = socket.write_all(&bytes).await;
                }
            }
            Peer::Broker(broker) => self.broker(&*broker, address, connection, socket).await,
        }
    }

    async fn broker(
        self,
        broker: &(dyn Fn(&Asked) -> Reply + Send + Sync),
        address: Address,
        connection: usize,
        mut socket: Box<dyn Duplex>,
    ) {
        let mut buffer = BytesMut::new();
        loop {
            while let Some(size) = buffer.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize) {
                if buffer.len() < size + 4 {
                    break;
                }
                let mut reader = Reader::new(buffer.split_to(size + 4).split_off(4).freeze());
                let header = decode_request_header(&mut reader).unwrap();
                let key = ApiKey::try_from(header.api_key).unwrap();
                let request = AnyRequest::decode(key, header.api_version, &mut reader).unwrap();
                self.0.lock().unwrap().asked.push((address.to_string(), connection, key));
                let asked = Asked { address: address.clone(), connection, header, request };
                let (wait, response) = match broker(&asked) {
                    Reply::Now(response) => (Duration::ZERO, response),
                    Reply::After(wait, response) => (wait, response),
                    Reply::Never => continue,
                    Reply::Cut => return,
                };
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                let (version, id) = (asked.header.api_version, asked.header.correlation_id);
                let refused = matches!(&response, AnyResponse::ApiVersions(r) if r.error_code == 35);
                let body = |writer: &mut Writer| response.encode(writer, if refused { 0 } else { version });
                let frame = encode_response_with(key, version, id, body).unwrap();
                if socket.write_all(&frame.into_bytes()).await.is_err() {
                    return;
                }
            }
            if !socket.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                return;
            }
        }
    }
}

/// What a broker of a healthy cluster with topic `orders` (3 partitions) answers.
pub(crate) fn usual(asked: &Asked) -> Reply {
    Reply::Now(match &asked.request {
        AnyRequest::ApiVersions(_) => versions().into(),
        AnyRequest::Metadata(request) => metadata(request).into(),
        AnyRequest::FindCoordinator(request) => coordinator(request).into(),
        AnyRequest::DescribeCluster(_) => DescribeClusterResponse::default().into(),
        AnyRequest::Fetch(_) => FetchResponse::default().into(),
        other => panic!("unexpected {:?}", other.key()),
    })
}

pub(crate) fn versions() -> ApiVersionsResponse {
    fn of<R: Request>() -> ApiVersion {
        let api_key = i16::from(R::KEY);
        ApiVersion { api_key, min_version: R::VERSIONS.min, max_version: R::VERSIONS.max }
    }
    let api_keys = vec![
        of::<ApiVersionsRequest>(),
        of::<MetadataRequest>(),
        of::<FindCoordinatorRequest>(),
        of::<DescribeClusterRequest>(),
        of::<FetchRequest>(),
        of::<ProduceRequest>(),
        of::<SaslHandshakeRequest>(),
        of::<SaslAuthenticateRequest>(),
    ];
    ApiVersionsResponse { api_keys, ..Default::default() }
}

pub(crate) fn metadata(request: &MetadataRequest) -> MetadataResponse {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: format!("mock-{node_id}").into(),
        port: 9092,
        ..Default::default()
    };
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: partition_index + 1,
        leader_epoch: 0,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..Default::default()
    };
    let topic = |name: &str| {
        let known = name == "orders";
        MetadataResponseTopic {
            error_code: if known { 0 } else { 3 },
            name: Some(name.into()),
            topic_id: if known { TopicId([1; 16]) } else { TopicId::ZERO },
            partitions: if known { [0, 1, 2].map(partition).into() } else { vec![] },
            ..Default::default()
        }
    };
    let names = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
    MetadataResponse {
        brokers: [1, 2, 3].map(broker).into(),
        cluster_id: Some("test-cluster".into()),
        controller_id: 2,
        topics: names.map(topic).collect(),
        ..Default::default()
    }
}

pub(crate) fn coordinator(request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (node_id, host, port) = (3, "mock-3", 9092);
    let one = |key: &courant_protocol::wire::Str| Coordinator {
        key: key.clone(),
        node_id,
        host: host.into(),
        port,
        ..Default::default()
    };
    if request.coordinator_keys.is_empty() {
        return FindCoordinatorResponse { node_id, host: host.into(), port, ..Default::default() };
    }
    let coordinators = request.coordinator_keys.iter().map(one).collect();
    FindCoordinatorResponse { coordinators, ..Default::default() }
}

pub(crate) fn node(asked: &Asked) -> NodeId {
    let number = asked.address.host.strip_prefix("mock-").and_then(|number| number.parse().ok());
    NodeId(number.unwrap_or(-1))
}

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
