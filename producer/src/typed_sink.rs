//! Typed records into a producer by `futures::Sink`, and many of them at once.
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use courant_client::Error;
use futures_sink::Sink;

use crate::{Record, RecordSink, SendBatch, SendError, TypedProducer, TypedRecord};

impl<K, V> TypedProducer<K, V> {
    /// A [`Sink`] of typed records; as [`Producer::sink`](crate::Producer::sink).
    pub fn sink(&self) -> TypedSink<K, V> {
        TypedSink { typed: self.clone(), sink: self.producer().sink() }
    }

    /// Encodes many records and sends them; as [`Producer::send_batch`](crate::Producer::send_batch).
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](courant_client::ErrorKind::Codec) with the place of the first record that a codec refuses;
    /// nothing is sent then.
    pub fn send_batch<'a>(
        &self,
        records: impl IntoIterator<Item = &'a TypedRecord<K, V>>,
    ) -> Result<SendBatch, Error>
    where
        K: 'a,
        V: 'a,
    {
        let encoded = records.into_iter().enumerate().map(|(nth, record)| {
            self.encode(record).map_err(|error| {
                let what = format!("record {nth} of the batch cannot be encoded");
                Error::new(error.kind(), what).at_topic(record.topic()).because(error)
            })
        });
        Ok(self.producer().send_batch(encoded.collect::<Result<Vec<_>, _>>()?))
    }
}

/// A [`Sink`] of typed records; [`TypedProducer::sink`] makes one.
///
/// It is a [`RecordSink`] behind codecs, and waits, flushes and closes like that. A record that a codec refuses comes back
/// from `start_send`, and the sink goes on.
///
/// ```
/// use courant_client::codec::{I64Be, Utf8};
/// use courant_producer::{MockProducer, TypedRecord};
/// use futures_util::{FutureExt, SinkExt};
///
/// let mock = MockProducer::new();
/// let mut totals = mock.producer().typed(Utf8, I64Be).sink();
/// let sent = totals.send(TypedRecord::to("orders").key("42").value(700));
/// sent.now_or_never().unwrap().unwrap();
/// assert_eq!(mock.history()[0].value.as_deref(), Some(&700_i64.to_be_bytes()[..]));
/// ```
#[must_use = "a sink does nothing until records are sent into it"]
pub struct TypedSink<K, V> {
    typed: TypedProducer<K, V>,
    sink: RecordSink,
}

impl<K, V> Sink<TypedRecord<K, V>> for TypedSink<K, V> {
    type Error = TypedSendError<K, V>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.sink).poll_ready(cx).map_err(TypedSendError::from)
    }

    fn start_send(mut self: Pin<&mut Self>, record: TypedRecord<K, V>) -> Result<(), Self::Error> {
        match self.typed.encode(&record) {
            Ok(encoded) => Pin::new(&mut self.sink).start_send(encoded).map_err(TypedSendError::from),
            Err(error) => Err(TypedSendError { error, typed: Some(record), encoded: None }),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.sink).poll_flush(cx).map_err(TypedSendError::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.sink).poll_close(cx).map_err(TypedSendError::from)
    }
}

impl<K, V> fmt::Debug for TypedSink<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSink").field("sink", &self.sink).finish_non_exhaustive()
    }
}

/// A record of a [`TypedSink`] was not delivered: why, and the record, as far as it can come back.
#[non_exhaustive]
pub struct TypedSendError<K, V> {
    /// Why.
    pub error: Error,
    /// The record, if a codec refused it.
    pub typed: Option<TypedRecord<K, V>>,
    /// The record as it was encoded, if it got so far and no broker can have it.
    pub encoded: Option<Record>,
}

impl<K, V> From<SendError> for TypedSendError<K, V> {
    fn from(failed: SendError) -> Self {
        Self { error: failed.error, typed: None, encoded: failed.record.map(|record| *record) }
    }
}

impl<K, V> fmt::Debug for TypedSendError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Display for TypedSendError<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<K, V> std::error::Error for TypedSendError<K, V> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
