//! The settings of an application before it starts.
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use courant_client::Kafka;
use courant_client::config::Properties;
use courant_protocol::types::TopicName;

use super::app::StreamsApp;
use super::config::StreamsSettings;
use super::error::Error;
#[cfg(doc)]
use super::error::ErrorKind;
use super::internal_topics::{count_outside, make_ready};
use super::shared::Shared;
use super::topics::{count_partitions, internal_topics, topic_of};
use crate::task::{ErrorHandler, ErrorHandlers};
use crate::topology::Topology;

/// Settings for a [`StreamsApp`], by Kafka's property names or by methods; made by [`StreamsApp::builder`].
#[derive(Clone, Debug)]
#[must_use = "call start()"]
pub struct StreamsAppBuilder {
    application_id: String,
    kafka: Kafka,
    properties: Properties,
    handlers: ErrorHandlers,
    failed: Option<Error>,
}

impl StreamsAppBuilder {
    pub(super) fn new(application_id: String, kafka: &Kafka) -> Self {
        Self {
            application_id,
            kafka: kafka.clone(),
            properties: Properties::new(),
            handlers: ErrorHandlers::default(),
            failed: None,
        }
    }

    /// `commit.interval.ms`: how often progress is committed.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.properties.set_millis("commit.interval.ms", interval);
        self
    }

    /// `num.stream.threads`: how many workers run tasks.
    pub fn workers(self, workers: usize) -> Self {
        self.set("num.stream.threads", workers)
    }

    /// `errors.dead.letter.queue.topic.name`: where records go that a handler leaves out (KIP-1034).
    pub fn dead_letters(self, topic: impl Into<String>) -> Self {
        self.set("errors.dead.letter.queue.topic.name", topic.into())
    }

    /// What becomes of records that a source's codec cannot read; they end the application if nothing else is said.
    pub fn on_deserialization_error(mut self, handler: ErrorHandler) -> Self {
        self.handlers.deserialization = handler;
        self
    }

    /// What becomes of records that a codec cannot write or the producer does not take.
    pub fn on_production_error(mut self, handler: ErrorHandler) -> Self {
        self.handlers.production = handler;
        self
    }

    /// Sets a property by Kafka's name; [`Self::start`] says if there is no such one. See [`STREAMS`](crate::STREAMS).
    pub fn set(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.properties.set(name, value);
        self
    }

    /// Takes over properties, on top of those set before.
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.merge(properties);
        self
    }

    /// Takes over a `.properties` file, on top of those set before; [`Self::start`] says if it cannot be read.
    pub fn properties_file(mut self, path: impl AsRef<Path>) -> Self {
        match Properties::read(path) {
            Ok(properties) => {
                self.properties.merge(&properties);
            }
            Err(error) => self.failed = Some(courant_client::Error::from(error).into()),
        }
        self
    }

    /// Creates the internal topics and starts the workers. Records are processed from now on.
    ///
    /// # Errors
    /// A property that is unknown, refused, or has a value that it does not take; [`ErrorKind::MissingTopic`],
    /// [`ErrorKind::NotCopartitioned`], [`ErrorKind::InternalTopic`], and what keeps brokers from answering.
    ///
    /// # Cancel safety
    /// When the future is dropped internal topics may exist; no worker runs.
    pub async fn start(self, topology: Topology) -> Result<StreamsApp, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let Self { application_id, kafka, mut handlers, .. } = self;
        let settings = StreamsSettings::new(&self.properties).map_err(courant_client::Error::from)?;
        handlers.dead_letters = settings.dead_letters.as_deref().map(TopicName::from);
        let sub_topologies = topology.sub_topologies();
        let sources = sub_topologies.iter().flat_map(|of| &of.sources).filter(|source| !source.internal);
        let mut outside: Vec<String> = sources.map(|source| topic_of(source, &application_id)).collect();
        outside.sort();
        outside.dedup();
        let mut counts = count_outside(&kafka, &outside).await?;
        count_partitions(sub_topologies, &application_id, &mut counts)?;
        let internal = internal_topics(sub_topologies, &application_id, &counts, &settings);
        make_ready(&kafka, &internal, &settings).await?;
        StreamsApp::start(Arc::new(Shared::new(application_id, kafka, topology, settings, handlers))).await
    }
}
