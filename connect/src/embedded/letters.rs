//! Dead letters into their topic.
use courant_admin::NewTopic;
use courant_client::Kafka;
use courant_producer::{DeliveryFuture, Producer};
use courant_protocol::types::TopicName;

use crate::embedded::outlet::{create, to_producer};
use crate::embedded::settings::DeadLetterSettings;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::worker::{Failure, RawRecord};

/// The dead-letter topic of a connector, if it has one.
pub(crate) struct Letters {
    settings: Option<(DeadLetterSettings, TopicName)>,
}

impl Letters {
    /// Creates the topic if it does not exist; as in Java, with one partition.
    ///
    /// # Errors
    /// Whatever kept it from being created.
    pub(crate) async fn open(kafka: &Kafka, settings: Option<&DeadLetterSettings>) -> Result<Self> {
        let Some(settings) = settings else { return Ok(Self { settings: None }) };
        let topic = NewTopic::new(settings.topic.as_str())
            .partitions(1)
            .replication_factor(settings.replication_factor);
        create(kafka, topic).await?;
        let name = TopicName::from(settings.topic.as_str());
        Ok(Self { settings: Some((settings.clone(), name)) })
    }

    /// Whether there is a topic for them.
    pub(crate) fn are_sent(&self) -> bool {
        self.settings.is_some()
    }

    /// Sends the dead letter of a record; `None` if there is no topic for it.
    ///
    /// # Errors
    /// The producer did not take it.
    pub(crate) async fn send(
        &self,
        producer: &Producer,
        failure: &Failure<'_>,
        raw: RawRecord,
    ) -> Result<Option<DeliveryFuture>> {
        let Some((settings, topic)) = &self.settings else { return Ok(None) };
        let letter = to_producer(topic, failure.letter(raw, settings.with_headers));
        let sent = producer.enqueue(letter).await;
        sent.map(Some).map_err(|refused| {
            let what = "a dead letter was not written; its record is given again after a restart";
            Error::new(ErrorKind::Kafka, what).because(refused.error).stage(Stage::KafkaProduce)
        })
    }
}
