//! Records of typed keys and values: codecs turn them into bytes before they are enqueued.
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError};
use courant_client::{Error, ErrorKind};
use courant_protocol::types::{PartitionId, UnixMillis};

use crate::{DeliveryFuture, Producer, Record, RecordMetadata, RecordTopic};

/// A producer of typed keys and values; [`Producer::typed`] makes one.
///
/// It is the same producer, with codecs before it: order, batching and delivery are as there. Cloning it is cheap.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let cluster = courant_broker_mock::MockCluster::builder().topic("orders", 3).build()?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world()).connect().await?;
/// use courant_client::codec::{I64Be, Utf8};
/// use courant_producer::{Producer, TypedRecord};
///
/// let producer = Producer::builder(&kafka).start().await?;
/// let totals = producer.typed(Utf8, I64Be);
/// totals.send(&TypedRecord::to("orders").key("42").value(700)).await?;
/// totals.send(&TypedRecord::to("orders").key("42")).await?; // no value: a tombstone
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TypedProducer<K, V> {
    producer: Producer,
    encode: Arc<Encode<K, V>>,
    /// Where records are encoded; its memory is used again as soon as the batch has a copy.
    scratch: Arc<Mutex<BytesMut>>,
}

/// Makes the bytes of a record.
type Encode<K, V> = dyn Fn(&TypedRecord<K, V>, &mut BytesMut) -> Result<Record, Error> + Send + Sync;

impl Producer {
    /// The same producer for typed records: a codec for their keys and one for their values.
    ///
    /// The types follow from the codecs, or from the records where a codec takes many types.
    pub fn typed<K: 'static, V: 'static>(
        &self,
        key: impl Codec<K>,
        value: impl Codec<V>,
    ) -> TypedProducer<K, V> {
        let encode = move |record: &TypedRecord<K, V>, scratch: &mut BytesMut| {
            let topic = record.raw.topic();
            let context = CodecContext::key(topic).with_headers(record.raw.headers.as_slice());
            let key = part(&key, record.key.as_ref(), &context, scratch)?;
            let context = CodecContext::value(topic).with_headers(record.raw.headers.as_slice());
            let value = part(&value, record.value.as_ref(), &context, scratch)?;
            let mut encoded = record.raw.clone();
            (encoded.key, encoded.value) = (key, value);
            Ok(encoded)
        };
        TypedProducer { producer: self.clone(), encode: Arc::new(encode), scratch: Arc::default() }
    }
}

fn part<T>(
    codec: &impl Codec<T>,
    value: Option<&T>,
    context: &CodecContext<'_>,
    scratch: &mut BytesMut,
) -> Result<Option<Bytes>, Error> {
    match value {
        Some(value) => codec.encode_bytes(value, context, scratch).map_err(|error| refused(context, error)),
        None => Ok(None),
    }
}

fn refused(context: &CodecContext<'_>, error: CodecError) -> Error {
    let part = if context.is_key() { "key" } else { "value" };
    let what = format!("the record's {part} cannot be encoded");
    Error::new(ErrorKind::Codec, what).at_topic(context.topic()).because(error)
}

impl<K, V> TypedProducer<K, V> {
    /// Encodes a record, sends it and waits until the brokers have it; as [`Producer::send`].
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if a codec refuses the key or the value, and nothing is sent then; else as [`Producer::send`].
    ///
    /// # Cancel safety
    /// As [`Producer::send`].
    pub async fn send(&self, record: &TypedRecord<K, V>) -> Result<RecordMetadata, Error> {
        Ok(self.producer.send(self.encode(record)?).await?)
    }

    /// Encodes a record and accepts it; as [`Producer::enqueue`].
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if a codec refuses the key or the value; else as [`Producer::enqueue`].
    ///
    /// # Cancel safety
    /// Cancel safe: a record is accepted in the same poll that returns, so a dropped future has accepted nothing.
    pub async fn enqueue(&self, record: &TypedRecord<K, V>) -> Result<DeliveryFuture, Error> {
        Ok(self.producer.enqueue(self.encode(record)?).await?)
    }

    /// Encodes a record and accepts it if that needs no waiting; as [`Producer::try_enqueue`].
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if a codec refuses the key or the value; else as [`Producer::try_enqueue`].
    pub fn try_enqueue(&self, record: &TypedRecord<K, V>) -> Result<DeliveryFuture, Error> {
        Ok(self.producer.try_enqueue(self.encode(record)?)?)
    }

    /// The record's bytes, as they would be sent.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if a codec refuses the key or the value.
    pub fn encode(&self, record: &TypedRecord<K, V>) -> Result<Record, Error> {
        // The room is taken out, so that no lock is held while a codec of the application's runs.
        let mut scratch = std::mem::take(&mut *self.scratch.lock().unwrap_or_else(PoisonError::into_inner));
        let encoded = (self.encode)(record, &mut scratch);
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = scratch;
        encoded
    }

    /// The producer underneath, to flush and to close it.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }
}

impl<K, V> Clone for TypedProducer<K, V> {
    fn clone(&self) -> Self {
        Self {
            producer: self.producer.clone(),
            encode: Arc::clone(&self.encode),
            scratch: Arc::clone(&self.scratch),
        }
    }
}

impl<K, V> fmt::Debug for TypedProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedProducer").finish_non_exhaustive()
    }
}

/// A record to be written whose key and value are typed.
///
/// A record that never got a key has none, and one that never got a value is a tombstone, whatever the codecs are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a record does nothing until it is sent"]
pub struct TypedRecord<K, V> {
    /// Everything but key and value.
    raw: Record,
    key: Option<K>,
    value: Option<V>,
}

impl<K, V> TypedRecord<K, V> {
    /// A record to `topic`, without key and value.
    pub fn to(topic: impl Into<RecordTopic>) -> Self {
        Self { raw: Record::to(topic), key: None, value: None }
    }

    /// Names the partition; else the partitioner finds one.
    pub fn partition(mut self, partition: impl Into<PartitionId>) -> Self {
        self.raw = self.raw.partition(partition);
        self
    }

    /// Sets the key.
    pub fn key(mut self, key: impl Into<K>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    pub fn value(mut self, value: impl Into<V>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header. Headers keep their order, and a name may come more than once (KIP-82).
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        self.raw = self.raw.header(name, value);
        self
    }

    /// Adds a header whose value is null, which is not the empty value.
    pub fn null_header(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.raw = self.raw.null_header(name);
        self
    }

    /// Sets the event's own time; else the record gets the time at which it is enqueued.
    pub fn timestamp(mut self, timestamp: impl Into<UnixMillis>) -> Self {
        self.raw = self.raw.timestamp(timestamp);
        self
    }

    /// The topic it goes to.
    pub fn topic(&self) -> &str {
        self.raw.topic()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use courant_broker_mock::MockCluster;
    use courant_client::Kafka;
    use courant_client::codec::{CodecErrorKind, Encoded, I64Be, Nullable, Utf8, Void};

    use super::*;

    fn with_producer<T>(story: impl AsyncFnOnce(MockCluster, Producer) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let cluster = MockCluster::builder().topic("t", 1).build().unwrap();
            let kafka = Kafka::builder().bootstrap(cluster.bootstrap()).world(cluster.world());
            let producer = Producer::builder(&kafka.connect().await.unwrap()).start().await.unwrap();
            story(cluster, producer).await
        })
    }

    /// Refuses odd numbers, and adds what the last header `unit` says.
    #[derive(Clone)]
    struct Even;

    impl Codec<i64> for Even {
        fn encode(
            &self,
            value: &i64,
            context: &CodecContext<'_>,
            out: &mut BytesMut,
        ) -> Result<Encoded, CodecError> {
            out.extend_from_slice(value.to_string().as_bytes());
            if value % 2 != 0 {
                return Err(CodecError::value(self.name(), "odd"));
            }
            out.extend_from_slice(context.last_header("unit").flatten().unwrap_or_default());
            Ok(Encoded::Bytes)
        }

        fn decode(&self, _: Bytes, _: &CodecContext<'_>) -> Result<i64, CodecError> {
            Err(CodecError::value(self.name(), "never read"))
        }
    }

    #[test]
    fn keys_and_values_are_what_their_codecs_make_of_them() {
        with_producer(async |_, producer| {
            let typed = producer.typed(Utf8, I64Be);
            let record = typed
                .encode(&TypedRecord::to("t").key("k").value(258).header("h", "v").timestamp(7))
                .unwrap();
            let expected =
                Record::to("t").key("k").value(&[0, 0, 0, 0, 0, 0, 1, 2][..]).header("h", "v").timestamp(7);
            assert_eq!(record, expected);
            let next = typed.encode(&TypedRecord::to("t").key("longer than the first").value(0)).unwrap();
            assert_eq!((record.key, next.value), (Some("k".into()), Some(Bytes::from_static(&[0; 8]))));
        });
    }

    #[test]
    fn what_is_missing_or_null_is_null() {
        with_producer(async |_, producer| {
            let typed = producer.typed(Void, Nullable(Utf8));
            let tombstone = typed.encode(&TypedRecord::to("t").key(()).value(None::<String>)).unwrap();
            assert_eq!(tombstone, Record::to("t"));
            let empty = typed.encode(&TypedRecord::to("t").value(Some(String::new()))).unwrap();
            assert_eq!(empty, Record::to("t").value(""));
        });
    }

    #[test]
    fn a_refused_value_is_a_typed_error_and_nothing_of_it_is_sent() {
        with_producer(async |cluster, producer| {
            let typed = producer.typed(Utf8, Even);
            let error = typed.send(&TypedRecord::to("t").key("k").value(3)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Codec);
            assert_eq!(error.to_string(), "the record's value cannot be encoded (topic t): Even: odd");
            let source =
                std::error::Error::source(&error).and_then(|source| source.downcast_ref::<CodecError>());
            assert_eq!(source.map(CodecError::kind), Some(CodecErrorKind::Value));
            assert_eq!(cluster.log_end("t", 0), Some(0.into()));
            let sent = typed.send(&TypedRecord::to("t").key("k").value(4).header("unit", "m")).await.unwrap();
            assert_eq!(sent.to_string(), "t-0@0");
            assert_eq!(
                typed.encode(&TypedRecord::to("t").value(4).header("unit", "m")).unwrap(),
                Record::to("t").value("4m").header("unit", "m")
            );
        });
    }

    #[test]
    fn a_send_that_is_dropped_is_accepted_whole_or_not_at_all() {
        for polls in 1..8 {
            with_producer(async |cluster, producer| {
                cluster.inject(courant_broker_mock::Fault::on_any().always().delay(Duration::from_millis(5)));
                let typed = producer.typed(Utf8, Even);
                let record = TypedRecord::to("t").key("k").value(4);
                let mut left = polls;
                let mut enqueue = pin!(typed.enqueue(&record));
                let accepted = poll_fn(|cx| {
                    left -= 1;
                    match enqueue.as_mut().poll(cx) {
                        Poll::Ready(accepted) => Poll::Ready(Some(accepted.unwrap())),
                        Poll::Pending if left == 0 => Poll::Ready(None),
                        Poll::Pending => Poll::Pending,
                    }
                });
                let accepted = u64::from(accepted.await.is_some());
                // What comes next is right behind it: nothing of a dropped one was left anywhere.
                let next = typed.send(&TypedRecord::to("t").key("next").value(6)).await.unwrap();
                assert_eq!(next.offset.0, i64::try_from(accepted).unwrap(), "dropped after {polls} polls");
            });
        }
    }
}
