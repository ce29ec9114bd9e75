//! Topics: create, delete, list, describe.
use std::collections::BTreeMap;
use std::fmt;

use courant_client::Target;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
};
use courant_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicState};
use courant_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest,
};
use courant_protocol::types::{NodeId, TopicId, TopicName};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, controller_retries, run, single};
use crate::configs::{ConfigEntry, ConfigSource};
use crate::error::Error;
use crate::results::Results;
use crate::topic_description::{TopicDescription, TopicListing, describe};

/// A topic to be created.
///
/// What is not said is left to the cluster: `num.partitions`, `default.replication.factor` and its configs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "hand it to create_topics()"]
pub struct NewTopic {
    name: TopicName,
    partitions: i32,
    replication_factor: i16,
    assignments: Vec<Vec<NodeId>>,
    configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic of this name, everything else as the cluster has it.
    pub fn new(name: impl Into<TopicName>) -> Self {
        Self {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// How many partitions it gets; -1 for the cluster's own number.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// How many replicas each partition gets; -1 for the cluster's own number.
    pub fn replication_factor(mut self, replication_factor: i16) -> Self {
        self.replication_factor = replication_factor;
        self
    }

    /// The brokers of each partition, from 0, the preferred leader first. It replaces the two numbers.
    pub fn assignments<N: Into<NodeId>>(mut self, partitions: impl IntoIterator<Item = Vec<N>>) -> Self {
        let nodes = |brokers: Vec<N>| brokers.into_iter().map(Into::into).collect();
        self.assignments = partitions.into_iter().map(nodes).collect();
        (self.partitions, self.replication_factor) = (-1, -1);
        self
    }

    /// Sets a config of the topic, such as `retention.ms`.
    pub fn config(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.configs.push((name.into(), Some(value.to_string())));
        self
    }

    fn to_wire(&self) -> CreatableTopic {
        let assignment = |(index, brokers): (i32, &Vec<NodeId>)| CreatableReplicaAssignment {
            partition_index: index,
            broker_ids: brokers.iter().map(|node| node.0).collect(),
        };
        let config = |(name, value): &(String, Option<String>)| CreatableTopicConfig {
            name: Str::from(name.as_str()),
            value: value.as_deref().map(Str::from),
        };
        CreatableTopic {
            name: Str::from(&*self.name),
            num_partitions: self.partitions,
            replication_factor: self.replication_factor,
            assignments: (0..).zip(&self.assignments).map(assignment).collect(),
            configs: self.configs.iter().map(config).collect(),
        }
    }
}

/// What a topic came to be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id; [`TopicId::ZERO`] from brokers before 2.8. Of a topic that was only validated it means nothing.
    pub id: TopicId,
    /// How many partitions it has; -1 from brokers before 2.4.
    pub partitions: i32,
    /// How many replicas each partition has; -1 from brokers before 2.4.
    pub replication_factor: i16,
    /// Its configs as they come to be, if this user may see them.
    pub configs: Vec<ConfigEntry>,
}

/// A topic by its name or its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRef {
    /// The topic that has this name now.
    Name(TopicName),
    /// This very topic, whatever has its name (KIP-516).
    Id(TopicId),
}

impl From<&str> for TopicRef {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for TopicRef {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

impl From<TopicName> for TopicRef {
    fn from(name: TopicName) -> Self {
        Self::Name(name)
    }
}

impl From<TopicId> for TopicRef {
    fn from(id: TopicId) -> Self {
        Self::Id(id)
    }
}

impl fmt::Display for TopicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl Admin {
    /// Creates topics. A topic is there when its result is, though other brokers may learn of it a little later.
    ///
    /// # Errors
    /// Each topic has its own: [`TopicExists`](crate::ErrorKind::TopicExists), an invalid name, number or config, a
    /// policy, or whatever kept the call from being answered in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the topics may be created nevertheless: the request may be on its way.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Results<TopicName, CreatedTopic> {
        self.create(topics, false).await
    }

    /// Checks whether topics could be created, and creates none.
    ///
    /// # Errors
    /// As [`Admin::create_topics`].
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn validate_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Results<TopicName, CreatedTopic> {
        self.create(topics, true).await
    }

    async fn create(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
        validate_only: bool,
    ) -> Results<TopicName, CreatedTopic> {
        let topics: Vec<NewTopic> = topics.into_iter().collect();
        let results = run(self, &CreateTopics { validate_only }, topics.clone()).await;
        if !validate_only {
            self.cluster().refresh("topics were created");
        }
        Results::new(topics.into_iter().map(|topic| topic.name).zip(results).collect())
    }

    /// Deletes topics by name or by id. Their records are gone, and what is left of them on disk goes a little later.
    ///
    /// # Errors
    /// Each topic has its own: [`UnknownTopic`](crate::ErrorKind::UnknownTopic),
    /// [`DeletionDisabled`](crate::ErrorKind::DeletionDisabled), a missing permission, or whatever kept the call from
    /// being answered in time.
    ///
    /// # Cancel safety
    /// When the future is dropped the topics may be deleted nevertheless: the request may be on its way.
    pub async fn delete_topics<T: Into<TopicRef>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Results<TopicRef, ()> {
        let topics: Vec<TopicRef> = topics.into_iter().map(Into::into).collect();
        // A request names topics or gives ids; Kafka refuses one that mixes them.
        let (named, by_id): (Vec<_>, Vec<_>) =
            topics.iter().cloned().partition(|topic| matches!(topic, TopicRef::Name(_)));
        let mut done = BTreeMap::new();
        for part in [named, by_id] {
            let results = run(self, &DeleteTopics, part.clone()).await;
            done.extend(part.into_iter().zip(results));
        }
        self.cluster().refresh("topics were deleted");
        Results::new(
            topics
                .into_iter()
                .filter_map(|topic| done.get(&topic).cloned().map(|result| (topic, result)))
                .collect(),
        )
    }

    /// Lists all topics that this user may see, Kafka's internal ones included, by name.
    ///
    /// # Errors
    /// Whatever kept the call from being answered in time.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let request = |_| MetadataRequest { topics: None, ..Default::default() };
        let (response, _) = single(self, Target::Any, request, |_| Ok(())).await?;
        let mut topics: Vec<TopicListing> = response.topics.iter().filter_map(TopicListing::of).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Describes topics by name or by id: partitions, leaders, replicas.
    ///
    /// Large topics come page by page (KIP-966) from brokers that can do so.
    ///
    /// # Errors
    /// Each topic has its own: [`UnknownTopic`](crate::ErrorKind::UnknownTopic), a missing permission, or whatever kept
    /// the call from being answered in time.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn describe_topics<T: Into<TopicRef>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Results<TopicRef, TopicDescription> {
        describe(self, topics.into_iter().map(Into::into).collect()).await
    }
}

struct CreateTopics {
    validate_only: bool,
}

impl Api for CreateTopics {
    type Item = NewTopic;
    type Value = CreatedTopic;
    type Request = CreateTopicsRequest;

    const WHAT: &'static str = "create the topic";

    fn route(&self, _: &NewTopic) -> Route {
        Route::Controller
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        controller_retries(code)
    }

    fn request(&self, items: &[NewTopic], _: i16, timeout_ms: i32) -> CreateTopicsRequest {
        let topics = items.iter().map(NewTopic::to_wire).collect();
        CreateTopicsRequest { topics, timeout_ms, validate_only: self.validate_only }
    }

    fn throttle_ms(response: &CreateTopicsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[NewTopic],
        version: i16,
        response: CreateTopicsResponse,
    ) -> Vec<Option<Answer<CreatedTopic>>> {
        let answered: BTreeMap<&str, &CreatableTopicResult> =
            response.topics.iter().map(|topic| (&*topic.name, topic)).collect();
        items.iter().map(|item| answered.get(&*item.name).map(|topic| created(topic, version))).collect()
    }

    fn locate(&self, item: &NewTopic, error: courant_client::Error) -> courant_client::Error {
        error.at_topic(item.name.clone())
    }
}

fn created(topic: &CreatableTopicResult, version: i16) -> Answer<CreatedTopic> {
    if topic.error_code != 0 {
        return Err((ErrorCode(topic.error_code), topic.error_message.as_deref().map(str::to_owned)));
    }
    let known = version >= 5;
    let config = |entry: &courant_protocol::messages::create_topics::CreatableTopicConfigs| ConfigEntry {
        name: entry.name.to_string(),
        value: entry.value.as_deref().map(str::to_owned),
        source: ConfigSource::from_wire(entry.config_source),
        is_read_only: entry.read_only,
        is_sensitive: entry.is_sensitive,
        ..ConfigEntry::default()
    };
    Ok(CreatedTopic {
        id: topic.topic_id,
        partitions: if known { topic.num_partitions } else { -1 },
        replication_factor: if known { topic.replication_factor } else { -1 },
        configs: topic.configs.iter().flatten().map(config).collect(),
    })
}

struct DeleteTopics;

impl DeleteTopics {
    /// The first version that takes ids.
    const IDS_FROM: i16 = 6;
}

impl Api for DeleteTopics {
    type Item = TopicRef;
    type Value = ();
    type Request = DeleteTopicsRequest;

    const WHAT: &'static str = "delete the topic";

    fn route(&self, _: &TopicRef) -> Route {
        Route::Controller
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        controller_retries(code)
    }

    fn request(&self, items: &[TopicRef], version: i16, timeout_ms: i32) -> DeleteTopicsRequest {
        let name = |item: &TopicRef| match item {
            TopicRef::Name(name) => Some(Str::from(&**name)),
            TopicRef::Id(_) => None,
        };
        if version < Self::IDS_FROM {
            let topic_names = items.iter().filter_map(name).collect();
            return DeleteTopicsRequest { topic_names, timeout_ms, ..Default::default() };
        }
        let state = |item: &TopicRef| match item {
            TopicRef::Name(_) => DeleteTopicState { name: name(item), topic_id: TopicId::ZERO },
            TopicRef::Id(id) => DeleteTopicState { name: None, topic_id: *id },
        };
        DeleteTopicsRequest { topics: items.iter().map(state).collect(), timeout_ms, ..Default::default() }
    }

    fn throttle_ms(response: &DeleteTopicsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[TopicRef],
        version: i16,
        response: DeleteTopicsResponse,
    ) -> Vec<Option<Answer<()>>> {
        let matches = |item: &TopicRef, topic: &DeletableTopicResult| match item {
            TopicRef::Name(name) => topic.name.as_deref() == Some(&**name),
            TopicRef::Id(id) => topic.topic_id == *id,
        };
        let answer = |item: &TopicRef| match item {
            TopicRef::Id(_) if version < Self::IDS_FROM => Some(Err((ErrorCode::UNSUPPORTED_VERSION, None))),
            _ => {
                let topic = response.responses.iter().find(|topic| matches(item, topic))?;
                let message = topic.error_message.as_deref().map(str::to_owned);
                Some(if topic.error_code == 0 { Ok(()) } else { Err((ErrorCode(topic.error_code), message)) })
            }
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &TopicRef, error: courant_client::Error) -> courant_client::Error {
        error.at_topic(item.to_string())
    }
}
