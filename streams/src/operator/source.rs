//! Where records enter a task: bytes become keys and values.
use std::sync::Arc;

use bytes::Bytes;
use courant_client::codec::CodecContext;

use super::{Edge, ProcessError, ProcessErrorKind, Run};
use crate::codecs::Codecs;
use crate::record::{RawRecord, Record};
use crate::topology::{Make, Source};

/// A source of a stream or a table.
///
/// Null is no key and no value, unless the codec takes null for a value.
pub(crate) fn stream_source<K: Send + 'static, V: Send + 'static>(codecs: Codecs<K, V>) -> Make {
    Make::Source(Arc::new(move |wiring| {
        let (node, next) = (wiring.node().to_owned(), wiring.output()?);
        Ok(Box::new(StreamSource { node, codecs: codecs.clone(), batch: Vec::new(), next }))
    }))
}

struct StreamSource<K, V> {
    node: String,
    codecs: Codecs<K, V>,
    batch: Vec<Record<K, V>>,
    next: Edge<K, V>,
}

impl<K: Send + 'static, V: Send + 'static> Source for StreamSource<K, V> {
    fn process(&mut self, records: &[RawRecord], run: &mut Run<'_>) -> Result<(), ProcessError> {
        for raw in records {
            match self.decode(raw, run) {
                Ok(record) => self.batch.push(record),
                Err(error) => {
                    // What stands before the record is done before anybody is asked about it.
                    self.next.push(&mut self.batch, run)?;
                    run.context.handle_error(error, Some(raw))?;
                }
            }
        }
        self.next.push(&mut self.batch, run)
    }
}

impl<K: 'static, V: 'static> StreamSource<K, V> {
    fn decode(&self, raw: &RawRecord, run: &Run<'_>) -> Result<Record<K, V>, ProcessError> {
        let topic: &str = &run.origin.topic;
        let headers = raw.headers.as_slice();
        let failed = |part: &str, error| {
            let kind = ProcessErrorKind::Deserialization;
            ProcessError::new(kind, &self.node, run.origin, raw.offset).of_codec(format!("the {part}"), error)
        };
        let context = CodecContext::key(topic).with_headers(headers);
        let key = read(&self.codecs.key, &raw.key, &context).map_err(|error| failed("key", error))?;
        let context = CodecContext::value(topic).with_headers(headers);
        let value = read(&self.codecs.value, &raw.value, &context).map_err(|error| failed("value", error))?;
        Ok(Record { key, value, timestamp: raw.timestamp, headers: raw.headers.clone(), offset: raw.offset })
    }
}

/// Reads what a record has.
fn read<T: 'static>(
    codec: &crate::codecs::BoxedCodec<T>,
    bytes: &Option<Bytes>,
    context: &CodecContext<'_>,
) -> Result<Option<T>, courant_client::codec::CodecError> {
    use courant_client::codec::Codec;
    match bytes {
        Some(bytes) => codec.decode(bytes.clone(), context).map(Some),
        None => Ok(codec.null(context)),
    }
}
