//! The configs of topics, brokers and other resources.
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsSynonym,
};
use courant_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use courant_protocol::types::{NodeId, TopicName};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, run};
use crate::results::Results;

/// What has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicName),
    /// A broker.
    Broker(NodeId),
    /// What holds for all brokers.
    AllBrokers,
    /// The log levels of a broker (KIP-412).
    BrokerLogger(NodeId),
    /// A subscription to client metrics (KIP-714).
    ClientMetrics(String),
    /// A group.
    Group(String),
}

impl ConfigResource {
    /// A topic by its name.
    pub fn topic(name: impl Into<TopicName>) -> Self {
        Self::Topic(name.into())
    }

    /// Kafka's number and name for it (`ConfigResource.Type`).
    pub(crate) fn to_wire(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (2, name.to_string()),
            Self::Broker(node) => (4, node.to_string()),
            Self::AllBrokers => (4, String::new()),
            Self::BrokerLogger(node) => (8, node.to_string()),
            Self::ClientMetrics(name) => (16, name.clone()),
            Self::Group(name) => (32, name.clone()),
        }
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Broker(node) => write!(f, "broker {node}"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::BrokerLogger(node) => write!(f, "loggers of broker {node}"),
            Self::ClientMetrics(name) => write!(f, "client metrics {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// Only a broker itself knows what stands in its file, and its own loggers.
pub(crate) fn resource_route(resource: &ConfigResource) -> Route {
    match resource {
        ConfigResource::Broker(node) | ConfigResource::BrokerLogger(node) => Route::Node(*node),
        _ => Route::Any,
    }
}

/// Says which resource an error belongs to.
pub(crate) fn locate_resource(
    resource: &ConfigResource,
    error: courant_client::Error,
) -> courant_client::Error {
    match resource {
        ConfigResource::Topic(name) => error.at_topic(name.clone()),
        ConfigResource::Broker(node) | ConfigResource::BrokerLogger(node) => error.at_broker(node),
        ConfigResource::Group(group) => error.at_group(group),
        _ => error,
    }
}

/// Which configs of a resource are described: all of them, unless some are named.
///
/// ```
/// use courant_admin::{ConfigQuery, ConfigResource};
/// let retention = ConfigQuery::of(ConfigResource::topic("orders")).keys(["retention.ms", "retention.bytes"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a query does nothing until Admin::describe_configs"]
pub struct ConfigQuery {
    resource: ConfigResource,
    keys: Option<Vec<String>>,
    documented: bool,
}

impl ConfigQuery {
    /// All configs of the resource.
    pub fn of(resource: ConfigResource) -> Self {
        Self { resource, keys: None, documented: false }
    }

    /// Only the configs with these names.
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys.get_or_insert_default().extend(keys.into_iter().map(Into::into));
        self
    }

    /// With Kafka's own words about each (KIP-569; brokers from 2.6 on).
    pub fn documented(mut self) -> Self {
        self.documented = true;
        self
    }
}

impl From<ConfigResource> for ConfigQuery {
    fn from(resource: ConfigResource) -> Self {
        Self::of(resource)
    }
}

/// The configs of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceConfig {
    /// The entries, as the broker ordered them.
    pub entries: Vec<ConfigEntry>,
}

impl ResourceConfig {
    /// The entry with this name.
    pub fn get(&self, name: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The value of the entry with this name; none also where it is secret.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|entry| entry.value.as_deref())
    }
}

/// One config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; none where it has none or is secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Whether it is secret.
    pub is_sensitive: bool,
    /// What the value is.
    pub kind: ConfigKind,
    /// Where else a value is set, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
    /// Kafka's own words about it, if they were asked for.
    pub documentation: Option<String>,
}

/// Another place where a config's value is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// Its name there.
    pub name: String,
    /// Its value there.
    pub value: Option<String>,
    /// Which place that is.
    pub source: ConfigSource,
}

/// Where a config's value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// The broker did not say, or has a source that is newer than this client.
    #[default]
    Unknown,
    /// Set for the topic.
    Topic,
    /// Set for the broker while it ran.
    Broker,
    /// Set for all brokers while they ran.
    AllBrokers,
    /// Set in the broker's file.
    StaticBroker,
    /// Kafka's own.
    Default,
    /// Set for the broker's loggers.
    BrokerLogger,
    /// Set for the client metrics.
    ClientMetrics,
    /// Set for the group.
    Group,
}

impl ConfigSource {
    // tidy: one match
    pub(crate) fn from_wire(source: i8) -> Self {
        match source {
            1 => Self::Topic,
            2 => Self::Broker,
            3 => Self::AllBrokers,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::BrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            _ => Self::Unknown,
        }
    }
}

/// What a config's value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigKind {
    /// The broker did not say (before 2.6).
    #[default]
    Unknown,
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A number of 32 bits.
    Int,
    /// A number of 16 bits.
    Short,
    /// A number of 64 bits.
    Long,
    /// A fraction.
    Double,
    /// A list with commas.
    List,
    /// A Java class.
    Class,
    /// A secret.
    Password,
}

impl ConfigKind {
    // tidy: one match
    fn from_wire(kind: i8) -> Self {
        match kind {
            1 => Self::Boolean,
            2 => Self::String,
            3 => Self::Int,
            4 => Self::Short,
            5 => Self::Long,
            6 => Self::Double,
            7 => Self::List,
            8 => Self::Class,
            9 => Self::Password,
            _ => Self::Unknown,
        }
    }
}

impl Admin {
    /// Describes the configs of resources, with the places where each value is set.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().topic_with("orders", 1, None, [("retention.ms", "-1")]).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::{Admin, ConfigResource, ConfigSource};
    ///
    /// let orders = Admin::new(&kafka).describe_configs([ConfigResource::topic("orders")]).await.all()?;
    /// let retention = orders[0].1.get("retention.ms").ok_or("no such config")?;
    /// assert_eq!((retention.value.as_deref(), retention.source), (Some("-1"), ConfigSource::Topic));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Each resource has its own: [`UnknownTopic`](crate::ErrorKind::UnknownTopic), a missing permission, or whatever
    /// kept the call from being answered in time.
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn describe_configs<Q: Into<ConfigQuery>>(
        &self,
        resources: impl IntoIterator<Item = Q>,
    ) -> Results<ConfigResource, ResourceConfig> {
        let queries: Vec<ConfigQuery> = resources.into_iter().map(Into::into).collect();
        let results = run(self, &DescribeConfigs, queries.clone()).await;
        Results::new(queries.into_iter().map(|query| query.resource).zip(results).collect())
    }
}

struct DescribeConfigs;

impl Api for DescribeConfigs {
    type Item = ConfigQuery;
    type Value = ResourceConfig;
    type Request = DescribeConfigsRequest;

    const WHAT: &'static str = "describe the configs";

    fn route(&self, item: &ConfigQuery) -> Route {
        resource_route(&item.resource)
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        // A topic that is not there is an answer, as in Java.
        code.is_retriable() && code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    }

    fn request(&self, items: &[ConfigQuery], version: i16, _: i32) -> DescribeConfigsRequest {
        let key = |name: &String| Str::from(name.as_str());
        let resource = |item: &ConfigQuery| {
            let (resource_type, name) = item.resource.to_wire();
            DescribeConfigsResource {
                resource_type,
                resource_name: Str::from(name),
                configuration_keys: item.keys.as_ref().map(|keys| keys.iter().map(key).collect()),
            }
        };
        DescribeConfigsRequest {
            resources: items.iter().map(resource).collect(),
            include_synonyms: true,
            include_documentation: version >= 3 && items.iter().any(|item| item.documented),
        }
    }

    fn throttle_ms(response: &DescribeConfigsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[ConfigQuery],
        _: i16,
        response: DescribeConfigsResponse,
    ) -> Vec<Option<Answer<ResourceConfig>>> {
        let answer = |item: &ConfigQuery| {
            let (kind, name) = item.resource.to_wire();
            let found = response
                .results
                .iter()
                .find(|result| result.resource_type == kind && *result.resource_name == *name)?;
            let message = found.error_message.as_deref().map(str::to_owned);
            Some(match found.error_code {
                0 => Ok(ResourceConfig { entries: found.configs.iter().map(entry).collect() }),
                code => Err((ErrorCode(code), message)),
            })
        };
        items.iter().map(answer).collect()
    }

    fn locate(&self, item: &ConfigQuery, error: courant_client::Error) -> courant_client::Error {
        locate_resource(&item.resource, error)
    }
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    let synonym = |synonym: &DescribeConfigsSynonym| ConfigSynonym {
        name: synonym.name.to_string(),
        value: synonym.value.as_deref().map(str::to_owned),
        source: ConfigSource::from_wire(synonym.source),
    };
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_deref().map(str::to_owned),
        source: ConfigSource::from_wire(config.config_source),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        kind: ConfigKind::from_wire(config.config_type),
        synonyms: config.synonyms.iter().map(synonym).collect(),
        documentation: config.documentation.as_deref().map(str::to_owned),
    }
}
