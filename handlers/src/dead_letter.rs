//! Dead letters: the record as it was, and headers that say where it came from and why it is here.
use std::borrow::Cow;

use bytes::Bytes;
use courant_consumer::ConsumerRecord;
use courant_producer::{Producer, Record};
use courant_protocol::types::TopicName;

/// Where dead letters go.
#[derive(Clone)]
pub(crate) struct Letters {
    pub(crate) producer: Producer,
    pub(crate) topic: TopicName,
}

/// Why a record is a dead letter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason<'a> {
    /// What failed: `handler` or `decode`.
    pub(crate) stage: &'static str,
    pub(crate) message: &'a str,
    pub(crate) attempts: u32,
}

impl Letters {
    /// The letter for a record. Its own headers stay as they are and stand first, those of an earlier failure too: a letter
    /// that failed again tells its whole story.
    ///
    /// Its time is that of its writing, and the record's own a header: brokers delete by the time of records, and a letter
    /// for an old one would not stay until somebody reads it.
    pub(crate) fn letter(&self, record: &ConsumerRecord, reason: Reason<'_>) -> Record {
        let mut letter = Record::to(self.topic.clone());
        (letter.key, letter.value) = (record.key_bytes(), record.value_bytes());
        let kept = record.headers().map(|header| {
            let name = String::from_utf8_lossy(header.key).into_owned();
            (Cow::Owned(name), header.value.map(Bytes::copy_from_slice))
        });
        letter.headers.extend(kept);
        let partition = record.topic_partition();
        let context: [(&'static str, String); 7] = [
            ("__handlers.errors.topic", partition.topic.to_string()),
            ("__handlers.errors.partition", partition.partition.to_string()),
            ("__handlers.errors.offset", record.offset().to_string()),
            ("__handlers.errors.timestamp", record.timestamp().0.to_string()),
            ("__handlers.errors.stage", reason.stage.to_owned()),
            ("__handlers.errors.exception.message", reason.message.to_owned()),
            ("__handlers.errors.attempts", reason.attempts.to_string()),
        ];
        let context = context.map(|(name, value)| (Cow::Borrowed(name), Some(Bytes::from(value))));
        letter.headers.extend(context);
        letter
    }
}
