//! More partitions for topics that exist.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use courant_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use courant_protocol::types::{NodeId, TopicName};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, controller_retries, run};
use crate::results::Results;

/// How many partitions a topic is to have.
///
/// Records with a key go by the number of partitions: once it grows, a key's new records may stand in another partition
/// than its old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    topic: TopicName,
    total: i32,
    assignments: Option<Vec<Vec<NodeId>>>,
}

impl NewPartitions {
    /// Lets `topic` grow to `total` partitions.
    pub fn to(topic: impl Into<TopicName>, total: i32) -> Self {
        Self { topic: topic.into(), total, assignments: None }
    }

    /// The brokers of each partition that is added, the preferred leader first.
    #[must_use]
    pub fn assignments<N: Into<NodeId>>(mut self, added: impl IntoIterator<Item = Vec<N>>) -> Self {
        let nodes = |brokers: Vec<N>| brokers.into_iter().map(Into::into).collect();
        self.assignments = Some(added.into_iter().map(nodes).collect());
        self
    }
}

impl Admin {
    /// Lets topics grow.
    ///
    /// # Errors
    /// Each topic has its own: [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`InvalidPartitions`](crate::ErrorKind::InvalidPartitions) when it has as many already or more, or whatever kept
    /// the call from being answered in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the topics may grow nevertheless: the request may be on its way.
    pub async fn create_partitions(
        &self,
        topics: impl IntoIterator<Item = NewPartitions>,
    ) -> Results<TopicName, ()> {
        let results = self.grow(topics.into_iter().collect(), false).await;
        self.cluster().refresh("topics have grown");
        results
    }

    /// Says what [`Self::create_partitions`] would say, and lets nothing grow.
    ///
    /// # Errors
    /// As [`Self::create_partitions`].
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn validate_partitions(
        &self,
        topics: impl IntoIterator<Item = NewPartitions>,
    ) -> Results<TopicName, ()> {
        self.grow(topics.into_iter().collect(), true).await
    }

    async fn grow(&self, topics: Vec<NewPartitions>, validate_only: bool) -> Results<TopicName, ()> {
        let results = run(self, &CreatePartitions { validate_only }, topics.clone()).await;
        Results::new(topics.into_iter().map(|topic| topic.topic).zip(results).collect())
    }
}

struct CreatePartitions {
    validate_only: bool,
}

impl Api for CreatePartitions {
    type Item = NewPartitions;
    type Value = ();
    type Request = CreatePartitionsRequest;

    const WHAT: &'static str = "let the topic grow";

    fn route(&self, _: &NewPartitions) -> Route {
        Route::Controller
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        controller_retries(code)
    }

    fn request(&self, items: &[NewPartitions], _: i16, timeout_ms: i32) -> CreatePartitionsRequest {
        let assignment = |brokers: &Vec<NodeId>| CreatePartitionsAssignment {
            broker_ids: brokers.iter().map(|node| node.0).collect(),
        };
        let topic = |item: &NewPartitions| CreatePartitionsTopic {
            name: Str::from(&*item.topic),
            count: item.total,
            assignments: item.assignments.as_ref().map(|added| added.iter().map(assignment).collect()),
        };
        CreatePartitionsRequest {
            topics: items.iter().map(topic).collect(),
            timeout_ms,
            validate_only: self.validate_only,
        }
    }

    fn throttle_ms(response: &CreatePartitionsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[NewPartitions],
        _: i16,
        response: CreatePartitionsResponse,
    ) -> Vec<Option<Answer<()>>> {
        let answer = |item: &NewPartitions| {
            let topic = response.results.iter().find(|topic| *topic.name == *item.topic)?;
            let message = topic.error_message.as_deref().map(str::to_owned);
            Some(if topic.error_code == 0 { Ok(()) } else { Err((ErrorCode(topic.error_code), message)) })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &NewPartitions, error: courant_client::Error) -> courant_client::Error {
        error.at_topic(item.topic.clone())
    }
}
