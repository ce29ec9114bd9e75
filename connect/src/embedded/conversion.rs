//! A record's way between its typed form and the bytes in Kafka: transforms and converters, with the stage where it fails.
use std::sync::Arc;

use bytes::Bytes;
use courant_consumer::ConsumerRecord;

use crate::api::{ConnectRecord, Flow};
use crate::converter::Converter;
use crate::error::{Error, Stage};
use crate::transform::Transform;
use crate::worker::RawRecord;

/// The converters and transforms of one task.
pub(crate) struct Conversion {
    pub(crate) key: Arc<dyn Converter>,
    pub(crate) value: Arc<dyn Converter>,
    pub(crate) header: Arc<dyn Converter>,
    pub(crate) transforms: Vec<NamedTransform>,
}

/// A transform under the name that it has in the configuration.
pub(crate) struct NamedTransform {
    pub(crate) name: String,
    pub(crate) transform: Box<dyn Transform>,
}

/// A record failed at a stage.
#[derive(Debug)]
pub(crate) struct StageError {
    pub(crate) stage: Stage,
    /// The converter or transform that failed.
    pub(crate) class: String,
    pub(crate) error: Error,
}

impl Conversion {
    /// Whether a record comes out as it went in.
    pub(crate) fn has_transforms(&self) -> bool {
        !self.transforms.is_empty()
    }

    /// Sends a record through all transforms.
    ///
    /// # Errors
    /// The error of the transform that failed.
    pub(crate) fn transform(&mut self, record: ConnectRecord) -> Result<Vec<ConnectRecord>, StageError> {
        let mut records = vec![record];
        for NamedTransform { name, transform } in &mut self.transforms {
            let mut next = Vec::with_capacity(records.len());
            for record in records {
                match transform.apply(record) {
                    Ok(Flow::Keep(record)) => next.push(record),
                    Ok(Flow::Drop) => {}
                    Ok(Flow::Many(records)) => next.extend(records),
                    Err(error) => {
                        return Err(StageError { stage: Stage::Transformation, class: name.clone(), error });
                    }
                }
            }
            records = next;
        }
        Ok(records)
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// The error of the converter that failed.
    pub(crate) fn encode(&self, record: &ConnectRecord) -> Result<RawRecord, StageError> {
        let topic = &*record.topic;
        let key = self.key.encode(topic, &record.key);
        let key = key.map_err(failed(Stage::KeyConverter, &*self.key))?;
        let value = self.value.encode(topic, &record.value);
        let value = value.map_err(failed(Stage::ValueConverter, &*self.value))?;
        let mut headers = Vec::with_capacity(record.headers.len());
        for (name, data) in &record.headers {
            let bytes = self.header.encode_header(topic, name, data);
            headers.push((name.clone(), bytes.map_err(failed(Stage::HeaderConverter, &*self.header))?));
        }
        Ok(RawRecord { key, value, headers, timestamp: record.timestamp })
    }

    /// What can be had of a record that fails to be encoded, for its dead letter.
    pub(crate) fn encode_what_can_be(&self, record: &ConnectRecord) -> RawRecord {
        let topic = &*record.topic;
        let header = |(name, data): &(String, _)| {
            Some((name.clone(), self.header.encode_header(topic, name, data).ok()?))
        };
        RawRecord {
            key: self.key.encode(topic, &record.key).ok().flatten(),
            value: self.value.encode(topic, &record.value).ok().flatten(),
            headers: record.headers.iter().filter_map(header).collect(),
            timestamp: record.timestamp,
        }
    }

    /// The typed form of a record that was read.
    ///
    /// # Errors
    /// The error of the converter that failed.
    pub(crate) fn decode(&self, record: &ConsumerRecord) -> Result<ConnectRecord, StageError> {
        let topic = record.topic();
        let key = self.key.decode(topic, record.key_bytes());
        let key = key.map_err(failed(Stage::KeyConverter, &*self.key))?;
        let value = self.value.decode(topic, record.value_bytes());
        let value = value.map_err(failed(Stage::ValueConverter, &*self.value))?;
        let mut headers = Vec::new();
        for header in record.headers() {
            let name = String::from_utf8_lossy(header.key).into_owned();
            let bytes = header.value.map(Bytes::copy_from_slice);
            let data = self.header.decode_header(topic, &name, bytes);
            headers.push((name, data.map_err(failed(Stage::HeaderConverter, &*self.header))?));
        }
        let at = record.topic_partition();
        Ok(ConnectRecord {
            topic: at.topic.clone(),
            partition: Some(at.partition),
            offset: Some(record.offset()),
            key,
            value,
            headers,
            timestamp: Some(record.timestamp()).filter(|timestamp| timestamp.is_some()),
        })
    }
}

fn failed(stage: Stage, converter: &dyn Converter) -> impl FnOnce(Error) -> StageError {
    move |error| StageError { stage, class: converter.class_name().to_owned(), error }
}

/// A record as it was read, for its dead letter.
pub(crate) fn raw(record: &ConsumerRecord) -> RawRecord {
    let header = |header: courant_consumer::Header<'_>| {
        (String::from_utf8_lossy(header.key).into_owned(), header.value.map(Bytes::copy_from_slice))
    };
    RawRecord {
        key: record.key_bytes(),
        value: record.value_bytes(),
        headers: record.headers().map(header).collect(),
        timestamp: Some(record.timestamp()).filter(|timestamp| timestamp.is_some()),
    }
}
