//! Records of typed keys and values: codecs read what was polled, one record at a time.
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use courant_client::codec::{Codec, CodecContext, CodecError};
use courant_protocol::types::{Offset, PartitionId, TopicPartition};
use futures_core::Stream;

use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::record::{Batch, ConsumerRecord, Iter, Record};
use crate::stream::RecordStream;

/// A consumer of typed keys and values; [`Consumer::typed`] makes one.
///
/// It is the same consumer, with codecs behind it, and everything but reading goes through to it. A record that a codec cannot
/// read is an error of its own, with the record in it, and the next one is read like any other: what becomes of it is the
/// application's matter (pass it over, put it aside, stop).
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let mock = courant_broker_mock::MockCluster::builder().brokers(3).topic("totals", 1).build()?;
/// # let mut writer = courant_protocol::record::BatchWriter::new(Default::default(), Default::default());
/// # writer.append(7.into(), Some(b"42"), Some(&[0, 0, 0, 0, 0, 0, 0, 7]), courant_protocol::record::NO_HEADERS)?;
/// # writer.append(8.into(), Some(b"42"), Some(b"seven"), courant_protocol::record::NO_HEADERS)?;
/// # let sealed = writer.seal(Default::default(), None, &mut Default::default())?;
/// # mock.append_raw("totals", 0, sealed.to_bytes(&Default::default()))?;
/// # let kafka = courant_client::Kafka::builder().bootstrap(mock.bootstrap()).world(mock.world()).connect().await?;
/// use courant_client::codec::{I64Be, Utf8};
/// use courant_consumer::Consumer;
///
/// let consumer = Consumer::builder(&kafka).assign([("totals", 0)]).auto_offset_reset("earliest").start().await?;
/// let mut totals = consumer.typed(Utf8, I64Be);
/// let batch = totals.poll().await?.ok_or("the consumer is open")?;
/// let mut sum = 0;
/// for record in &batch {
///     match record {
///         Ok(record) => sum += record.value,
///         Err(error) => println!("{error}"), // totals-0@1: the value cannot be decoded: I64Be: it takes 8 bytes …
///     }
/// }
/// assert_eq!(sum, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TypedConsumer<K, V> {
    consumer: Consumer,
    decoder: Decoder<K, V>,
}

/// A codec for keys and one for values, to read records with that were polled as bytes; [`Consumer::typed`] is for those
/// that are not.
pub struct Decoder<K, V>(Arc<Decode<K, V>>);

impl<K: 'static, V: 'static> Decoder<K, V> {
    /// The types follow from the codecs, or from how what they read is used.
    pub fn new(key: impl Codec<K>, value: impl Codec<V>) -> Self {
        Self(Arc::new(move |record: &ConsumerRecord| {
            let context = CodecContext::key(record.topic()).with_headers(record.headers());
            let key = key.decode_nullable(record.key_bytes(), &context).map_err(|error| (true, error))?;
            let context = CodecContext::value(record.topic()).with_headers(record.headers());
            let value =
                value.decode_nullable(record.value_bytes(), &context).map_err(|error| (false, error))?;
            Ok((key, value))
        }))
    }
}

impl<K, V> Decoder<K, V> {
    /// Reads one record.
    ///
    /// # Errors
    /// What cannot be read, with the record in it.
    pub fn decode(&self, record: ConsumerRecord) -> Result<TypedConsumerRecord<K, V>, DecodeError> {
        match (self.0)(&record) {
            Ok((key, value)) => Ok(TypedConsumerRecord { key, value, record }),
            Err((is_key, error)) => Err(DecodeError::new(record, is_key, error)),
        }
    }
}

impl<K, V> Clone for Decoder<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for Decoder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// Reads key and value of a record; says of which part an error is.
type Decode<K, V> = dyn Fn(&ConsumerRecord) -> Result<(K, V), (bool, CodecError)> + Send + Sync;

impl Consumer {
    /// The same consumer for typed records: a codec for their keys and one for their values.
    ///
    /// The types follow from the codecs, or from how the records are used where a codec takes many types. Null is an error
    /// unless the codec knows it: [`Nullable`](courant_client::codec::Nullable) takes tombstones and records without keys.
    pub fn typed<K: 'static, V: 'static>(
        self,
        key: impl Codec<K>,
        value: impl Codec<V>,
    ) -> TypedConsumer<K, V> {
        TypedConsumer { consumer: self, decoder: Decoder::new(key, value) }
    }
}

impl<K, V> TypedConsumer<K, V> {
    /// The next records, as [`Consumer::poll`] gives them; they are decoded as the batch is gone through.
    ///
    /// # Errors
    /// As [`Consumer::poll`]. Records that cannot be decoded are told in the batch.
    ///
    /// # Cancel safety
    /// As [`Consumer::poll`]: no record is lost.
    pub async fn poll(&mut self) -> Result<Option<TypedBatch<K, V>>, Error> {
        let batch = self.consumer.poll().await?;
        Ok(batch.map(|batch| self.decoded(batch)))
    }

    /// The next records, or the next change of the assignment, as [`Consumer::next_event`] gives them.
    ///
    /// # Errors
    /// As [`Consumer::next_event`]. Records that cannot be decoded are told in the batch.
    ///
    /// # Cancel safety
    /// As [`Consumer::next_event`]: no event is lost.
    pub async fn next_event(&mut self) -> Result<Option<TypedEvent<K, V>>, Error> {
        let event = self.consumer.next_event().await?;
        Ok(event.map(|event| match event {
            Event::Batch(batch) => TypedEvent::Batch(self.decoded(batch)),
            Event::Assigned(partitions) => TypedEvent::Assigned(partitions),
            Event::Revoked(partitions) => TypedEvent::Revoked(partitions),
            Event::Lost(partitions) => TypedEvent::Lost(partitions),
        }))
    }

    /// A batch of this consumer's with its records decoded as it is gone through.
    pub fn decoded(&self, batch: Batch) -> TypedBatch<K, V> {
        TypedBatch { batch, decoder: self.decoder.clone() }
    }

    /// The records one by one, as values of their own; as [`Consumer::stream`].
    ///
    /// One that cannot be decoded is an error ([`DecodeError::of`] has the record), and the stream goes on behind it.
    pub fn stream(&mut self) -> TypedRecordStream<'_, K, V> {
        TypedRecordStream { records: self.consumer.stream(), decoder: self.decoder.clone() }
    }

    /// The consumer underneath, to poll it for bytes.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// The consumer underneath, without its codecs.
    pub fn into_consumer(self) -> Consumer {
        self.consumer
    }
}

impl<K, V> Deref for TypedConsumer<K, V> {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        &self.consumer
    }
}

impl<K, V> fmt::Debug for TypedConsumer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedConsumer").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}

/// An [`Event`] whose records are decoded as they are gone through.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedEvent<K, V> {
    /// Records of one or more partitions.
    Batch(TypedBatch<K, V>),
    /// As [`Event::Assigned`].
    Assigned(Vec<TopicPartition>),
    /// As [`Event::Revoked`].
    Revoked(Vec<TopicPartition>),
    /// As [`Event::Lost`].
    Lost(Vec<TopicPartition>),
}

/// A [`Batch`] whose records are decoded as it is gone through.
#[must_use = "the records in it count as handed out"]
pub struct TypedBatch<K, V> {
    batch: Batch,
    decoder: Decoder<K, V>,
}

impl<K, V> TypedBatch<K, V> {
    /// Goes through the records: those of one partition in a row, in the order of their offsets.
    pub fn iter(&self) -> TypedIter<'_, K, V> {
        TypedIter { records: self.batch.iter(), decode: &*self.decoder.0 }
    }

    /// The batch underneath: its length, its bytes, and where reading goes on after it.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }
}

impl<'a, K, V> IntoIterator for &'a TypedBatch<K, V> {
    type Item = Result<TypedRecord<'a, K, V>, DecodeError>;
    type IntoIter = TypedIter<'a, K, V>;

    fn into_iter(self) -> TypedIter<'a, K, V> {
        self.iter()
    }
}

impl<K, V> fmt::Debug for TypedBatch<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedBatch").field("records", &self.batch.len()).finish_non_exhaustive()
    }
}

/// Goes through the records of a [`TypedBatch`].
pub struct TypedIter<'a, K, V> {
    records: Iter<'a>,
    decode: &'a Decode<K, V>,
}

impl<'a, K, V> Iterator for TypedIter<'a, K, V> {
    type Item = Result<TypedRecord<'a, K, V>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let owned = record.to_owned();
        Some(match (self.decode)(&owned) {
            Ok((key, value)) => Ok(TypedRecord { key, value, record }),
            Err((is_key, error)) => Err(DecodeError::new(owned, is_key, error)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl<K, V> fmt::Debug for TypedIter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedIter").field("records", &self.records).finish_non_exhaustive()
    }
}

/// One decoded record of a [`TypedBatch`]; offset, time and headers are those of the record underneath.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TypedRecord<'a, K, V> {
    /// Its key.
    pub key: K,
    /// Its value.
    pub value: V,
    /// The record as bytes.
    pub record: Record<'a>,
}

/// One decoded record that outlives its batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TypedConsumerRecord<K, V> {
    /// Its key.
    pub key: K,
    /// Its value.
    pub value: V,
    /// The record as bytes.
    pub record: ConsumerRecord,
}

/// Decoded records one by one; made by [`TypedConsumer::stream`].
pub struct TypedRecordStream<'a, K, V> {
    records: RecordStream<'a>,
    decoder: Decoder<K, V>,
}

impl<K, V> TypedRecordStream<'_, K, V> {
    /// The consumer, to commit, pause or ask for positions with while the stream runs.
    pub fn consumer(&mut self) -> &Consumer {
        self.records.consumer()
    }
}

impl<K, V> Stream for TypedRecordStream<'_, K, V> {
    type Item = Result<TypedConsumerRecord<K, V>, Error>;

    /// # Cancel safety
    /// A record is given out only if it is returned; dropping the stream loses none.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.records).poll_next(cx);
        polled.map(|next| {
            next.map(|record| {
                let record = record?;
                this.decoder.decode(record).map_err(Error::from)
            })
        })
    }
}

impl<K, V> fmt::Debug for TypedRecordStream<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedRecordStream").finish_non_exhaustive()
    }
}

/// A record that a codec could not read: which record, which part of it, and why.
///
/// It does not stop the consumer. The record is in it as bytes, to be put aside.
#[derive(Clone)]
pub struct DecodeError(Box<Undecoded>);

#[derive(Clone)]
struct Undecoded {
    record: ConsumerRecord,
    is_key: bool,
    error: CodecError,
}

impl DecodeError {
    fn new(record: ConsumerRecord, is_key: bool, error: CodecError) -> Self {
        Self(Box::new(Undecoded { record, is_key, error }))
    }

    /// The one inside of an error of a stream, if that is what it is.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref::<Cause>().map(|cause| &cause.0)
    }

    /// The record as bytes.
    pub fn record(&self) -> &ConsumerRecord {
        &self.0.record
    }

    /// Its topic.
    pub fn topic(&self) -> &str {
        self.0.record.topic()
    }

    /// Its partition.
    pub fn partition(&self) -> PartitionId {
        self.0.record.partition()
    }

    /// Its topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        self.0.record.topic_partition()
    }

    /// Its place there.
    pub fn offset(&self) -> Offset {
        self.0.record.offset()
    }

    /// Whether its key cannot be read; else it is its value.
    pub fn is_key(&self) -> bool {
        self.0.is_key
    }

    /// What the codec said.
    pub fn codec_error(&self) -> &CodecError {
        &self.0.error
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.0.is_key { "key" } else { "value" };
        let (partition, offset) = (self.topic_partition(), self.offset());
        write!(f, "{partition}@{offset}: the {part} cannot be decoded: {}", self.0.error)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({self})")
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.error)
    }
}

/// The same inside of an [`Error`], which says the place itself.
#[derive(Debug)]
struct Cause(DecodeError);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.0.is_key() { "key" } else { "value" };
        write!(f, "the {part} cannot be decoded: {}", self.0.codec_error())
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.codec_error())
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let (partition, offset) = (error.topic_partition().clone(), error.offset());
        let kind = ErrorKind::Client(courant_client::ErrorKind::Codec);
        Self::new(kind, "").at(&partition).at_offset(offset).because(Cause(error))
    }
}
