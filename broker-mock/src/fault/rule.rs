//! One fault as a test writes it.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use courant_protocol::api::ApiKey;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::AnyRequest;
use courant_protocol::types::NodeId;

use super::effects::{Cut, Effects};
use super::error_injection::InjectedError;

/// What a fault looks at.
pub(crate) struct Seen<'a> {
    pub(crate) api: ApiKey,
    pub(crate) node: NodeId,
    pub(crate) client_id: &'a str,
    pub(crate) request: &'a AnyRequest,
    /// Whether the request is about a topic, or about one partition of it.
    pub(crate) touches: &'a dyn Fn(&str, Option<i32>) -> bool,
}

/// A judge of whole requests.
type Predicate = Arc<dyn Fn(&AnyRequest) -> bool + Send + Sync>;

/// A fault: which requests it meets, how often, and what becomes of them.
///
/// It meets the first request that fits unless [`Fault::nth`] and [`Fault::times`] say otherwise.
///
/// ```
/// use courant_broker_mock::{Fault, MockCluster};
/// use courant_protocol::api::ApiKey;
/// use courant_protocol::error_code::ErrorCode;
/// use std::time::Duration;
///
/// let cluster = MockCluster::builder().topic("orders", 1).build()?;
/// // The second Produce fails on its partition, the third is applied but never acknowledged.
/// cluster.inject(Fault::on(ApiKey::Produce).nth(2).error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
/// cluster.inject(Fault::on(ApiKey::Produce).nth(3).cut_after());
/// // Broker 1 answers Metadata five seconds late, always.
/// cluster.inject(Fault::on(ApiKey::Metadata).node(1).always().delay(Duration::from_secs(5)));
/// assert_eq!(cluster.faults_left(), 3);
/// # Ok::<(), courant_broker_mock::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a fault does nothing until MockCluster::inject"]
pub struct Fault {
    api: Option<ApiKey>,
    node: Option<NodeId>,
    topic: Option<String>,
    partition: Option<i32>,
    client_id: Option<String>,
    group: Option<String>,
    predicate: Option<Predicate>,
    skip: u64,
    left: u64,
    effects: Effects,
}

impl Fault {
    /// Meets requests of one API.
    pub fn on(api: ApiKey) -> Self {
        Self { api: Some(api), ..Self::on_any() }
    }

    /// Meets requests of any API.
    pub fn on_any() -> Self {
        Self {
            api: None,
            node: None,
            topic: None,
            partition: None,
            client_id: None,
            group: None,
            predicate: None,
            skip: 0,
            left: 1,
            effects: Effects::default(),
        }
    }

    /// Meets only requests to this broker.
    pub fn node(mut self, node: impl Into<NodeId>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Meets only requests about this topic; an error falls on its partitions alone.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Meets only requests about this partition of the topic; an error falls on it alone.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Meets only requests of this client id.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Meets only requests about this group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Meets only requests that the function takes.
    pub fn matching(mut self, predicate: impl Fn(&AnyRequest) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Begins with the `n`-th request that fits, counted from 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// Meets so many requests, then runs out.
    pub fn times(mut self, times: u64) -> Self {
        self.left = times;
        self
    }

    /// Never runs out.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// The request is not applied; the error stands where a broker puts it.
    pub fn error(mut self, error: ErrorCode) -> Self {
        self.effects.errors.push(InjectedError { topic: None, partition: None, error });
        self
    }

    /// The connection is cut; the request is not applied.
    pub fn cut_before(mut self) -> Self {
        self.effects.cut = Some(Cut::Before);
        self
    }

    /// The request is applied, then the connection is cut without an answer.
    pub fn cut_after(mut self) -> Self {
        self.effects.cut = Some(Cut::After);
        self
    }

    /// The request is applied, then the connection is cut after so many bytes of the answer.
    pub fn cut_inside(mut self, bytes: usize) -> Self {
        self.effects.cut = Some(Cut::Inside(bytes));
        self
    }

    /// The request is applied at once, its answer comes so much later.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.effects.delay = delay;
        self
    }

    /// The request is applied so much later, as if it had been under way for that long.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.effects.hold = hold;
        self
    }

    /// The answer tells of a throttle, and the broker reads nothing more from the connection until it is over (KIP-219).
    pub fn throttle(mut self, milliseconds: i32) -> Self {
        self.effects.throttle_ms = milliseconds;
        self
    }

    /// Neither applied nor answered: the connection stays open and hangs.
    pub fn silence(mut self) -> Self {
        self.effects.silence = true;
        self
    }

    /// The answer is sent twice.
    pub fn duplicate_response(mut self) -> Self {
        self.effects.duplicate = true;
        self
    }

    /// A byte of the records of a Fetch response is turned over, so that their checksum is wrong.
    pub fn corrupt_records(mut self) -> Self {
        self.effects.corrupt_records = true;
        self
    }

    pub(crate) fn has_run_out(&self) -> bool {
        self.left == 0
    }

    /// Counts a request that fits; gives the effects when its turn has come.
    pub(crate) fn meet(&mut self, seen: &Seen<'_>) -> Option<Effects> {
        if self.left == 0 || !self.fits(seen) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if self.left != u64::MAX {
            self.left -= 1;
        }
        let mut effects = self.effects.clone();
        for error in &mut effects.errors {
            error.topic.clone_from(&self.topic);
            error.partition = self.partition;
        }
        Some(effects)
    }

    fn fits(&self, seen: &Seen<'_>) -> bool {
        self.api.is_none_or(|api| api == seen.api)
            && self.node.is_none_or(|node| node == seen.node)
            && self.client_id.as_deref().is_none_or(|client_id| client_id == seen.client_id)
            && self.topic.as_deref().is_none_or(|topic| (seen.touches)(topic, self.partition))
            && self.group.as_deref().is_none_or(|group| crate::handler::concerns_group(seen.request, group))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(seen.request))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("api", &self.api)
            .field("node", &self.node)
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("skip", &self.skip)
            .field("left", &self.left)
            .field("effects", &self.effects)
            .finish_non_exhaustive()
    }
}
