//! `to`: records leave a task for a topic.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Produced, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let numbers = builder.stream::<String, i64>("in", (Utf8, I64Be));
//! numbers.to(Produced::from("out").named("the-end"), (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (numbers, out) = (driver.input("in", (Utf8, I64Be)), driver.output("out", (Utf8, I64Be)));
//! driver.send(&numbers, "k", 7, 0)?;
//! assert_eq!(driver.drain(&out)?[0].value, Some(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext};

use super::{ProcessError, ProcessErrorKind, Push, Run, SinkPartition, SinkRecord};
use crate::codecs::{BoxedCodec, Codecs};
use crate::dsl::{KStream, Produced, operator};
use crate::record::{Headers, Record};
use crate::topology::{GraphKind, Make, SinkIndex};

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Writes every record to a topic, which must be there.
    ///
    /// A record goes to the partition of its key's hash; one with a windowed key goes where its inner key goes. A missing
    /// value is written as null, a tombstone.
    pub fn to(self, topic: impl Into<Produced>, codecs: (impl Codec<K>, impl Codec<V>)) {
        let Produced { topic, name } = topic.into();
        let make = sink(Codecs::new(codecs), true);
        let mut graph = self.graph.lock();
        let numbered = graph.names.processor("KSTREAM-SINK-");
        if let Some(name) = &name {
            graph.check_name(name);
        }
        graph.add(name.unwrap_or(numbered), GraphKind::Sink { topic, make }, &[self.node]);
    }
}

/// Makes a sink. Only the sinks that a user names send a windowed key where its inner key goes.
pub(crate) fn sink<K: Send + 'static, V: Send + 'static>(codecs: Codecs<K, V>, by_inner_key: bool) -> Make {
    operator(move |wiring| {
        let (index, topic) = wiring.sink()?;
        let (node, codecs, scratch) = (wiring.node().to_owned(), codecs.clone(), BytesMut::new());
        Ok(Sink { node, index, topic, codecs, by_inner_key, scratch })
    })
}

struct Sink<K, V> {
    node: String,
    index: SinkIndex,
    topic: String,
    codecs: Codecs<K, V>,
    by_inner_key: bool,
    scratch: BytesMut,
}

impl<K: Send + 'static, V: Send + 'static> Push<K, V> for Sink<K, V> {
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError> {
        for record in batch.drain(..) {
            match self.encode(&record, run) {
                Ok(sent) => {
                    let failed = |error: ProcessError| error.at(&self.node, run.origin, record.offset);
                    run.context.send(self.index, sent).map_err(failed)?;
                }
                Err(error) => run.context.handle_error(error, None)?,
            }
        }
        Ok(())
    }
}

impl<K: 'static, V: 'static> Sink<K, V> {
    fn encode(&mut self, record: &Record<K, V>, run: &Run<'_>) -> Result<SinkRecord, ProcessError> {
        let Self { topic, codecs, scratch, .. } = self;
        let failed = |part: &str, error| {
            let kind = ProcessErrorKind::Serialization;
            let what = format!("the {part} for {topic}");
            ProcessError::new(kind, &self.node, run.origin, record.offset).of_codec(what, error)
        };
        let context = CodecContext::key(topic).with_headers(record.headers.as_slice());
        let key = bytes(&codecs.key, &record.key, &context, scratch).map_err(|error| failed("key", error))?;
        let context = CodecContext::value(topic).with_headers(record.headers.as_slice());
        let value =
            bytes(&codecs.value, &record.value, &context, scratch).map_err(|error| failed("value", error))?;
        let inner = key.as_ref().filter(|_| self.by_inner_key).and_then(|key| codecs.key.partition_part(key));
        let partition = inner.map_or(SinkPartition::Partitioner, SinkPartition::OfBytes);
        let headers = Headers::clone(&record.headers);
        Ok(SinkRecord { key, value, timestamp: record.timestamp, headers, partition, offset: record.offset })
    }
}

/// Writes what a record has.
fn bytes<T: 'static>(
    codec: &BoxedCodec<T>,
    value: &Option<T>,
    context: &CodecContext<'_>,
    scratch: &mut BytesMut,
) -> Result<Option<Bytes>, courant_client::codec::CodecError> {
    match value {
        Some(value) => codec.to_bytes(value, context, scratch),
        None => Ok(None),
    }
}
