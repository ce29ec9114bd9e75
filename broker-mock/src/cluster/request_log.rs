//! The requests that the brokers received, for tests to look at.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use courant_protocol::api::ApiKey;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::{NodeId, UnixMillis};
use courant_protocol::wire::Str;

/// A request as a broker received it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// Its place among all requests of the cluster, from 0.
    pub sequence: u64,
    /// When it came.
    pub at: Instant,
    /// When it came, by the wall clock.
    pub at_unix: UnixMillis,
    /// The broker that received it.
    pub node: NodeId,
    /// The connection, numbered in the order of connecting over the whole cluster.
    pub connection: u64,
    /// The API.
    pub api: ApiKey,
    /// The version of the message.
    pub version: i16,
    /// The correlation id.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// The message.
    pub request: Arc<AnyRequest>,
}

/// The newest requests, up to a limit.
#[derive(Debug)]
pub(crate) struct RequestLog {
    limit: usize,
    next: u64,
    requests: VecDeque<LoggedRequest>,
}

impl RequestLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, next: 0, requests: VecDeque::new() }
    }

    /// Takes a request in; the oldest goes when the log is full.
    pub(crate) fn push(&mut self, mut request: LoggedRequest) {
        request.sequence = self.next;
        self.next += 1;
        if self.limit == 0 {
            return;
        }
        if self.requests.len() == self.limit {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(crate) fn to_vec(&self) -> Vec<LoggedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
    }
}
