//! Altering configs: one by one (KIP-339), or all of a resource at once.
use std::fmt;

use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs as legacy, incremental_alter_configs as incremental,
};
use courant_protocol::wire::Str;

use crate::admin::Admin;
use crate::call::{Answer, Api, Route, controller_retries, run};
use crate::configs::{ConfigResource, locate_resource, resource_route};
use crate::results::Results;

/// Changes to the configs of one resource; what is not named stays as it is.
///
/// ```
/// use courant_admin::{ConfigChanges, ConfigResource};
/// let changes = ConfigChanges::of(ConfigResource::topic("orders"))
///     .set("retention.ms", 86_400_000)
///     .append("cleanup.policy", "compact")
///     .delete("segment.ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "changes do nothing until Admin::incremental_alter_configs"]
pub struct ConfigChanges {
    resource: ConfigResource,
    changes: Vec<(String, Change)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Set(String),
    Delete,
    Append(String),
    Subtract(String),
}

impl ConfigChanges {
    /// Changes of this resource, none yet.
    pub fn of(resource: ConfigResource) -> Self {
        Self { resource, changes: Vec::new() }
    }

    /// Sets a config.
    pub fn set(self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.with(name, Change::Set(value.to_string()))
    }

    /// Takes a config back to what holds without it.
    pub fn delete(self, name: impl Into<String>) -> Self {
        self.with(name, Change::Delete)
    }

    /// Adds to a config that is a list; several with commas between them.
    pub fn append(self, name: impl Into<String>, items: impl fmt::Display) -> Self {
        self.with(name, Change::Append(items.to_string()))
    }

    /// Takes out of a config that is a list; several with commas between them.
    pub fn subtract(self, name: impl Into<String>, items: impl fmt::Display) -> Self {
        self.with(name, Change::Subtract(items.to_string()))
    }

    fn with(mut self, name: impl Into<String>, change: Change) -> Self {
        self.changes.push((name.into(), change));
        self
    }
}

/// All configs that a resource is to have of its own; those that are not named go back to what holds without them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "configs do nothing until Admin::alter_configs"]
pub struct NewConfigs {
    resource: ConfigResource,
    configs: Vec<(String, String)>,
}

impl NewConfigs {
    /// The resource without any configs of its own.
    pub fn of(resource: ConfigResource) -> Self {
        Self { resource, configs: Vec::new() }
    }

    /// With this config.
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.configs.push((name.into(), value.to_string()));
        self
    }
}

impl Admin {
    /// Alters configs of resources; what is not named stays as it is. Each resource is altered as a whole or not at all.
    ///
    /// ```
    /// # use courant_broker_mock::MockCluster;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// # let cluster = MockCluster::builder().topic("orders", 1).build()?;
    /// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
    /// use courant_admin::{Admin, ConfigChanges, ConfigResource};
    ///
    /// let keep_all = ConfigChanges::of(ConfigResource::topic("orders")).set("retention.ms", -1);
    /// Admin::new(&kafka).incremental_alter_configs([keep_all]).await.all()?;
    /// assert_eq!(cluster.topic_config("orders", "retention.ms").as_deref(), Some("-1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).map_err(|error| error.to_string())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Each resource has its own: [`InvalidConfig`](crate::ErrorKind::InvalidConfig) for an entry that is unknown or out of
    /// range, [`UnknownTopic`](crate::ErrorKind::UnknownTopic), [`Policy`](crate::ErrorKind::Policy), a missing permission,
    /// or whatever kept the call from being answered in time. Brokers before 2.3 know only [`Self::alter_configs`].
    ///
    /// # Cancel safety
    /// When the future is dropped the configs may be altered nevertheless: the request may be on its way.
    pub async fn incremental_alter_configs(
        &self,
        changes: impl IntoIterator<Item = ConfigChanges>,
    ) -> Results<ConfigResource, ()> {
        self.incremental(changes.into_iter().collect(), false).await
    }

    /// Says what [`Self::incremental_alter_configs`] would say, and alters nothing.
    ///
    /// # Errors
    /// As [`Self::incremental_alter_configs`].
    ///
    /// # Cancel safety
    /// Nothing is changed either way.
    pub async fn validate_config_changes(
        &self,
        changes: impl IntoIterator<Item = ConfigChanges>,
    ) -> Results<ConfigResource, ()> {
        self.incremental(changes.into_iter().collect(), true).await
    }

    async fn incremental(
        &self,
        changes: Vec<ConfigChanges>,
        validate_only: bool,
    ) -> Results<ConfigResource, ()> {
        let results = run(self, &IncrementalAlterConfigs { validate_only }, changes.clone()).await;
        Results::new(changes.into_iter().map(|changes| changes.resource).zip(results).collect())
    }

    /// Replaces all configs that resources have of their own.
    ///
    /// This is the old way, which takes back what others have set meanwhile; [`Self::incremental_alter_configs`] does not.
    ///
    /// # Errors
    /// As [`Self::incremental_alter_configs`], for brokers of any age.
    ///
    /// # Cancel safety
    /// When the future is dropped the configs may be altered nevertheless: the request may be on its way.
    pub async fn alter_configs(
        &self,
        configs: impl IntoIterator<Item = NewConfigs>,
    ) -> Results<ConfigResource, ()> {
        let configs: Vec<NewConfigs> = configs.into_iter().collect();
        let results = run(self, &AlterConfigs, configs.clone()).await;
        Results::new(configs.into_iter().map(|configs| configs.resource).zip(results).collect())
    }
}

struct IncrementalAlterConfigs {
    validate_only: bool,
}

impl Api for IncrementalAlterConfigs {
    type Item = ConfigChanges;
    type Value = ();
    type Request = IncrementalAlterConfigsRequest;

    const WHAT: &'static str = "alter the configs";

    fn route(&self, item: &ConfigChanges) -> Route {
        resource_route(&item.resource)
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        controller_retries(code)
    }

    fn request(&self, items: &[ConfigChanges], _: i16, _: i32) -> IncrementalAlterConfigsRequest {
        let config = |(name, change): &(String, Change)| {
            let (config_operation, value) = match change {
                Change::Set(value) => (0, Some(value)),
                Change::Delete => (1, None),
                Change::Append(items) => (2, Some(items)),
                Change::Subtract(items) => (3, Some(items)),
            };
            incremental::AlterableConfig {
                name: Str::from(name.as_str()),
                config_operation,
                value: value.map(|value| Str::from(value.as_str())),
            }
        };
        let resource = |item: &ConfigChanges| {
            let (resource_type, name) = item.resource.to_wire();
            let configs = item.changes.iter().map(config).collect();
            incremental::AlterConfigsResource { resource_type, resource_name: Str::from(name), configs }
        };
        IncrementalAlterConfigsRequest {
            resources: items.iter().map(resource).collect(),
            validate_only: self.validate_only,
        }
    }

    fn throttle_ms(response: &IncrementalAlterConfigsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[ConfigChanges],
        _: i16,
        response: IncrementalAlterConfigsResponse,
    ) -> Vec<Option<Answer<()>>> {
        let found = |at: incremental::AlterConfigsResourceResponse| Found {
            resource: (at.resource_type, at.resource_name),
            error: (ErrorCode(at.error_code), at.error_message),
        };
        let found: Vec<Found> = response.responses.into_iter().map(found).collect();
        items.iter().map(|item| answer(&found, &item.resource)).collect()
    }

    fn locate(&self, item: &ConfigChanges, error: courant_client::Error) -> courant_client::Error {
        let error = locate_resource(&item.resource, error);
        match error.kind() {
            courant_client::ErrorKind::UnsupportedVersion => {
                error.hinting("brokers before 2.3 know only alter_configs, which replaces them all")
            }
            _ => error,
        }
    }
}

/// What a broker says of one resource, in either API.
struct Found {
    resource: (i8, Str),
    error: (ErrorCode, Option<Str>),
}

/// The answer for a resource, if the broker gave one.
fn answer(found: &[Found], resource: &ConfigResource) -> Option<Answer<()>> {
    let (kind, name) = resource.to_wire();
    let found = found.iter().find(|at| at.resource.0 == kind && *at.resource.1 == *name)?;
    let (code, message) = &found.error;
    Some(code.into_result().map_err(|code| (code, message.as_deref().map(str::to_owned))))
}

struct AlterConfigs;

impl Api for AlterConfigs {
    type Item = NewConfigs;
    type Value = ();
    type Request = AlterConfigsRequest;

    const WHAT: &'static str = "alter the configs";

    fn route(&self, item: &NewConfigs) -> Route {
        resource_route(&item.resource)
    }

    fn is_retried(&self, code: ErrorCode) -> bool {
        controller_retries(code)
    }

    fn request(&self, items: &[NewConfigs], _: i16, _: i32) -> AlterConfigsRequest {
        let config = |(name, value): &(String, String)| legacy::AlterableConfig {
            name: Str::from(name.as_str()),
            value: Some(Str::from(value.as_str())),
        };
        let resource = |item: &NewConfigs| {
            let (resource_type, name) = item.resource.to_wire();
            let configs = item.configs.iter().map(config).collect();
            legacy::AlterConfigsResource { resource_type, resource_name: Str::from(name), configs }
        };
        AlterConfigsRequest { resources: items.iter().map(resource).collect(), validate_only: false }
    }

    fn throttle_ms(response: &AlterConfigsResponse) -> i32 {
        response.throttle_time_ms
    }

    fn answers(
        &self,
        items: &[NewConfigs],
        _: i16,
        response: AlterConfigsResponse,
    ) -> Vec<Option<Answer<()>>> {
        let found = |at: legacy::AlterConfigsResourceResponse| Found {
            resource: (at.resource_type, at.resource_name),
            error: (ErrorCode(at.error_code), at.error_message),
        };
        let found: Vec<Found> = response.responses.into_iter().map(found).collect();
        items.iter().map(|item| answer(&found, &item.resource)).collect()
    }

    fn locate(&self, item: &NewConfigs, error: courant_client::Error) -> courant_client::Error {
        locate_resource(&item.resource, error)
    }
}
