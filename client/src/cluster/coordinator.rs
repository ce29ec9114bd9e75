//! Which broker coordinates a group or a transaction.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use courant_protocol::types::NodeId;
use courant_protocol::wire::Str;
use courant_runtime::Address;

use super::handle::{CallOptions, Cluster, Target};
use crate::error::{Error, ErrorKind};

/// What a coordinator coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CoordinatorKind {
    /// A consumer group: its members and its committed offsets.
    Group,
    /// A transactional id (KIP-98).
    Transaction,
}

impl CoordinatorKind {
    fn key_type(self) -> i8 {
        match self {
            Self::Group => 0,
            Self::Transaction => 1,
        }
    }
}

impl Cluster {
    /// The broker that coordinates `key`; asked once and remembered until [`Self::forget_coordinator`].
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if none is known at the deadline; what a broker answered, if asking again does not help.
    ///
    /// # Cancel safety
    /// Nothing happened if the future is dropped.
    pub async fn coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
        deadline: Instant,
    ) -> Result<NodeId, Error> {
        let world = self.world();
        let mut rng = world.rng("courant-client/coordinator");
        let started = world.now();
        for attempt in 0_u32.. {
            if let Some(node) = self.shared().coordinators().known.get(&(kind, key.to_owned())) {
                return Ok(*node);
            }
            let error = match self.find_coordinator(kind, key, deadline).await {
                Ok(node) => return Ok(node),
                Err(error) if !error.is_retriable() => return Err(error),
                Err(error) => error,
            };
            let wait = self.shared().settings.retry_backoff.delay(attempt, rng.unit_f64());
            let now = world.now();
            if now + wait >= deadline {
                let what = format!("no coordinator of {key} within the time given for the call");
                let elapsed = now.saturating_duration_since(started);
                let error = Error::new(ErrorKind::Timeout, what).because(error).after(elapsed);
                return Err(error.after_attempts(attempt.saturating_add(1)));
            }
            world.sleep_until(now + wait).await;
        }
        Err(Error::new(ErrorKind::Internal, "the attempts to find a coordinator ended"))
    }

    /// A broker said that it is not, or no longer, the coordinator (NOT_COORDINATOR): it is asked for again next time.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.shared().coordinators().known.remove(&(kind, key.to_owned()));
    }

    /// The broker that is known to coordinate `key`, without asking.
    pub fn known_coordinator(&self, kind: CoordinatorKind, key: &str) -> Option<NodeId> {
        self.shared().coordinators().known.get(&(kind, key.to_owned())).copied()
    }

    /// The brokers that coordinate `keys`, in their order: one attempt, and one request for all that are not known where the
    /// broker takes several (KIP-699).
    ///
    /// # Errors
    /// Each key has its own, as [`Self::coordinator`]; it is for the caller to ask again.
    ///
    /// # Cancel safety
    /// Nothing happened if the future is dropped.
    pub async fn coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[String],
        deadline: Instant,
    ) -> Vec<Result<NodeId, Error>> {
        let mut found: BTreeMap<&str, Result<NodeId, Error>> = BTreeMap::new();
        for key in keys {
            if let Some(node) = self.known_coordinator(kind, key) {
                found.insert(key, Ok(node));
            }
        }
        loop {
            let missing: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
            let missing: Vec<&str> = missing.into_iter().filter(|key| !found.contains_key(key)).collect();
            if missing.is_empty() {
                break;
            }
            match self.find_coordinators(kind, &missing, deadline).await {
                Ok(answers) => found.extend(answers),
                Err(error) => found.extend(missing.into_iter().map(|key| (key, Err(error.clone())))),
            }
        }
        let left_out = || Err(Error::new(ErrorKind::Internal, "a coordinator was not looked up"));
        keys.iter().map(|key| found.get(key.as_str()).cloned().unwrap_or_else(left_out)).collect()
    }

    async fn find_coordinator(
        &self,
        kind: CoordinatorKind,
        key: &str,
        deadline: Instant,
    ) -> Result<NodeId, Error> {
        let mut found = self.find_coordinators(kind, &[key], deadline).await?;
        let lacks = || Error::new(ErrorKind::Internal, "a coordinator was not looked up");
        found.pop().map_or_else(|| Err(lacks()), |(_, found)| found)
    }

    /// Asks once for `keys`, or for the first of them where the broker takes one at a time. There is at least one answer.
    async fn find_coordinators<'k>(
        &self,
        kind: CoordinatorKind,
        keys: &[&'k str],
        deadline: Instant,
    ) -> Result<Vec<(&'k str, Result<NodeId, Error>)>, Error> {
        // From version 4 on the request takes many keys and the answer has one entry for each (KIP-699).
        let request = |version: i16| match version {
            ..4 => FindCoordinatorRequest {
                key: keys.first().map_or_else(Str::default, |key| Str::from(*key)),
                key_type: kind.key_type(),
                ..FindCoordinatorRequest::default()
            },
            _ => FindCoordinatorRequest {
                key_type: kind.key_type(),
                coordinator_keys: keys.iter().map(|key| Str::from(*key)).collect(),
                ..FindCoordinatorRequest::default()
            },
        };
        let options = CallOptions::until(deadline);
        let (response, version) = self.call_by_version(Target::Any, request, options).await?;
        let answered = keys.iter().take(if version < 4 { 1 } else { keys.len() });
        let result = |key: &&'k str| {
            let found =
                Found::read(&response, version, key).and_then(|found| self.remember(kind, key, found));
            (*key, found)
        };
        Ok(answered.map(result).collect())
    }

    fn remember(&self, kind: CoordinatorKind, key: &str, found: Found) -> Result<NodeId, Error> {
        if found.code.is_err() {
            return Err(Error::from_code(found.code, format!("cannot find the coordinator of {key}")));
        }
        let mut coordinators = self.shared().coordinators();
        coordinators.known.insert((kind, key.to_owned()), found.node);
        coordinators.addresses.insert(found.node, found.address);
        Ok(found.node)
    }
}

/// One coordinator, whichever form the answer has.
struct Found {
    code: ErrorCode,
    node: NodeId,
    address: Address,
}

impl Found {
    fn read(response: &FindCoordinatorResponse, version: i16, key: &str) -> Result<Self, Error> {
        let (code, node, host, port) = if version < 4 {
            (response.error_code, response.node_id, &response.host, response.port)
        } else {
            let entry = response.coordinators.iter().find(|entry| &*entry.key == key).ok_or_else(|| {
                Error::new(
                    ErrorKind::Protocol,
                    format!("the broker's answer about the coordinator of {key} lacks it"),
                )
            })?;
            (entry.error_code, entry.node_id, &entry.host, entry.port)
        };
        let code = ErrorCode(code);
        let port = u16::try_from(port).ok().or_else(|| code.is_err().then_some(0));
        let port = port.ok_or_else(|| Error::new(ErrorKind::Protocol, "a coordinator's port cannot be"))?;
        Ok(Self { code, node: NodeId(node), address: Address::new(&**host, port) })
    }
}
