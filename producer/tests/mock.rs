//! The mock producer, as unit tests of applications use it: no runtime, no network, no time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, reason = "tests")]
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use courant_client::codec::{Codec, CodecContext, CodecError, Encoded, Utf8};
use courant_client::{Error, ErrorKind};
use courant_producer::{DeliveryFuture, MockProducer, Partitioner, Producer, Record, SendError, TypedRecord};
use courant_protocol::types::UnixMillis;
use futures_util::{FutureExt, SinkExt};

fn record(value: &'static str) -> Record {
    Record::to("t").value(value)
}

fn enqueue(producer: &Producer, record: Record) -> Result<DeliveryFuture, SendError> {
    producer.enqueue(record).now_or_never().expect("a mock never waits")
}

fn late() -> Error {
    Error::new(ErrorKind::Timeout, "too late")
}

#[test]
fn records_are_acknowledged_at_their_partitions_next_offset() {
    let mock = MockProducer::builder().topic("t", 3).time(7).build();
    let sent = |record: Record| mock.producer().send(record).now_or_never().unwrap().unwrap();
    assert_eq!(sent(record("a").partition(2)).to_string(), "t-2@0");
    assert_eq!(sent(record("b").partition(2)).to_string(), "t-2@1");
    assert_eq!(sent(record("c").partition(0)).to_string(), "t-0@0");
    assert_eq!(sent(record("d").partition(0)).timestamp, UnixMillis(7));
    assert_eq!(sent(record("e").partition(0).timestamp(9)).timestamp, UnixMillis(9));
    let values: Vec<_> = mock.history().into_iter().map(|record| record.value.unwrap()).collect();
    assert_eq!(values, ["a", "b", "c", "d", "e"]);
    let places: Vec<_> = mock.destinations().iter().map(ToString::to_string).collect();
    assert_eq!(places, ["t-2", "t-2", "t-0", "t-0", "t-0"]);
    mock.clear();
    assert!(mock.history().is_empty());
}

#[test]
fn a_test_decides_what_becomes_of_each_record() {
    let mock = MockProducer::builder().manual().build();
    let first = enqueue(mock.producer(), record("a")).unwrap();
    let second = enqueue(mock.producer(), record("b").header("h", "v")).unwrap();
    let third = enqueue(mock.producer(), record("c")).unwrap();
    assert!(first.now().is_none() && mock.pending() == 3);
    assert!(mock.complete_next());
    assert_eq!(first.now_or_never().unwrap().unwrap().offset.0, 0);
    assert!(mock.error_next(late()));
    let failed = second.now_or_never().unwrap().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Timeout);
    assert_eq!(failed.record.as_deref(), Some(&record("b").header("h", "v").partition(0).timestamp(0)));
    assert!(mock.error_next(late().maybe_written(true)));
    let failed = third.now_or_never().unwrap().unwrap_err();
    assert!(failed.possibly_written() && failed.record.is_none());
    assert!(!mock.complete_next() && !mock.error_next(late()));
}

#[test]
fn flush_and_close_bring_what_is_pending_to_its_end() {
    let mock = MockProducer::builder().manual().build();
    let producer = mock.producer();
    let delivery = enqueue(producer, record("a")).unwrap();
    producer.flush().now_or_never().unwrap().unwrap();
    assert_eq!(delivery.now().unwrap().unwrap().offset.0, 0);

    let delivery = enqueue(producer, record("b")).unwrap();
    mock.fail_flush(late());
    assert_eq!(producer.flush().now_or_never().unwrap().unwrap_err().to_string(), "too late");
    assert!(delivery.now().is_none());

    let failed = producer.close(Duration::ZERO).now_or_never().unwrap().unwrap_err();
    assert_eq!(failed.to_string(), "closed with 1 records not delivered");
    assert_eq!(delivery.now().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let refused = enqueue(producer, record("c")).unwrap_err();
    assert_eq!((refused.kind(), refused.record.as_deref()), (ErrorKind::Closed, Some(&record("c"))));

    let mock = MockProducer::builder().manual().build();
    let delivery = enqueue(mock.producer(), record("a")).unwrap();
    mock.producer().close(Duration::from_secs(1)).now_or_never().unwrap().unwrap();
    assert!(delivery.now().unwrap().is_ok());
    mock.fail_close(late());
    assert!(mock.producer().close(Duration::ZERO).now_or_never().unwrap().is_err());
}

#[test]
fn what_a_real_producer_refuses_is_refused() {
    let mock = MockProducer::builder().topic("t", 3).only_these_topics().build();
    let refusal = |record: Record| {
        let refused = mock.producer().try_enqueue(record.clone()).unwrap_err();
        assert_eq!(refused.record.as_deref(), Some(&record));
        refused.to_string()
    };
    assert_eq!(refusal(record("a").timestamp(-1)), "the record's timestamp is negative (topic t)");
    assert_eq!(
        refusal(record("a").partition(3)),
        "the record names a partition that does not exist; the topic has 3 (partition t-3)"
    );
    assert_eq!(refusal(Record::to("other").value("a")), "the topic is not known (topic other)");
    mock.refuse_next(late());
    assert_eq!(refusal(record("a")), "too late");
    assert!(mock.history().is_empty());
}

#[test]
fn partitioners_sinks_and_typed_records_work_as_ever() {
    let mock = MockProducer::builder().topic("t", 3).partitioner(Partitioner::round_robin()).build();
    for value in ["a", "b", "c"] {
        drop(enqueue(mock.producer(), record(value)).unwrap());
    }
    let mut places: Vec<_> = mock.destinations().iter().map(|place| place.partition.0).collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    let mut sink = mock.producer().sink();
    sink.send(record("d")).now_or_never().unwrap().unwrap();
    sink.close().now_or_never().unwrap().unwrap();
    assert_eq!(mock.history().len(), 4);
}

#[test]
fn a_typed_record_that_cannot_be_encoded_comes_back_and_nothing_of_it_is_sent() {
    let mock = MockProducer::new();
    let typed = mock.producer().typed::<String, String>(Utf8, Short);
    let (good, bad) =
        (TypedRecord::to("t").value("ok".to_owned()), TypedRecord::to("t").value("too long".to_owned()));
    let refused = typed.send_batch([&good, &bad]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "record 1 of the batch cannot be encoded (topic t): the record's value cannot be encoded (topic t): Short: too long"
    );
    let mut sink = typed.sink();
    let refused = sink.send(bad.clone()).now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "the record's value cannot be encoded (topic t): Short: too long");
    assert_eq!(refused.typed, Some(bad));
    sink.send(good.clone()).now_or_never().unwrap().unwrap();
    typed.send_batch([&good]).unwrap().now_or_never().unwrap().unwrap();
    mock.refuse_next(late());
    sink.feed(good).now_or_never().unwrap().unwrap();
    let refused = sink.flush().now_or_never().unwrap().unwrap_err();
    assert_eq!((refused.typed.is_none(), refused.encoded), (true, Some(record("ok"))));
    assert_eq!(mock.history(), [record("ok"), record("ok")]);
}

/// Texts of a few bytes.
#[derive(Clone)]
struct Short;

impl Codec<String> for Short {
    fn encode(&self, text: &String, _: &CodecContext<'_>, out: &mut BytesMut) -> Result<Encoded, CodecError> {
        match text.len() {
            0..4 => {
                out.extend_from_slice(text.as_bytes());
                Ok(Encoded::Bytes)
            }
            _ => Err(CodecError::value(self.name(), "too long")),
        }
    }

    fn decode(&self, _: Bytes, _: &CodecContext<'_>) -> Result<String, CodecError> {
        Err(CodecError::value(self.name(), "never read"))
    }
}
