//! Typed records: decoded as a batch is gone through; one that cannot be decoded stops nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use courant_broker_mock::MockCluster;
use courant_client::codec::{CodecErrorKind, I64Be, Nullable, Utf8};
use courant_consumer::{Consumer, DecodeError, ErrorKind, TypedEvent};
use courant_protocol::record::{BatchWriter, NO_HEADERS};
use courant_protocol::types::Offset;
use futures_util::StreamExt;
use world::{cluster, connect, ms, reader, run};

/// A key or a value.
type Part<'a> = Option<&'a [u8]>;

/// Writes records of a key and a value each.
fn write(cluster: &MockCluster, records: &[(Part<'_>, Part<'_>)]) {
    let mut writer = BatchWriter::new(Default::default(), Default::default());
    for (key, value) in records {
        writer.append(7.into(), *key, *value, NO_HEADERS).unwrap();
    }
    let sealed = writer.seal(Default::default(), None, &mut Default::default()).unwrap();
    cluster.append_raw("a", 0, sealed.to_bytes(&Default::default())).unwrap();
}

const SEVEN: Part<'static> = Some(&[0, 0, 0, 0, 0, 0, 0, 7]);

/// Two good records around one with a short value, one with a broken key, and one of nulls.
async fn mixed(cluster: &MockCluster) -> Consumer {
    write(
        cluster,
        &[
            (Some(b"k"), SEVEN),
            (Some(b"k"), Some(b"short")),
            (Some(b"\xff"), SEVEN),
            (None, None),
            (Some(b""), SEVEN),
        ],
    );
    reader(&connect(cluster).await).group("g").assign([("a", 0)]).start().await.unwrap()
}

#[test]
fn a_record_that_cannot_be_decoded_says_where_it_is_and_stops_nothing() {
    run(async {
        let cluster = cluster(|builder| builder);
        let mut consumer = mixed(&cluster).await.typed(Utf8, I64Be);
        let batch = consumer.poll().await.unwrap().unwrap();
        let records: Vec<_> = batch.iter().collect();
        let good: Vec<_> = records
            .iter()
            .flatten()
            .map(|record| (&*record.key, record.value, record.record.offset().0))
            .collect();
        assert_eq!(good, [("k", 7, 0), ("", 7, 4)]);
        let errors: Vec<&DecodeError> = records.iter().filter_map(|record| record.as_ref().err()).collect();
        let told: Vec<_> = errors
            .iter()
            .map(|error| {
                (
                    error.topic(),
                    error.partition().0,
                    error.offset().0,
                    error.is_key(),
                    error.codec_error().kind(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", 0, 1, false, CodecErrorKind::Length),
                ("a", 0, 2, true, CodecErrorKind::Malformed),
                ("a", 0, 3, true, CodecErrorKind::Null),
            ]
        );
        assert_eq!(
            errors[0].to_string(),
            "a-0@1: the value cannot be decoded: I64Be: it takes 8 bytes and there are 5"
        );
        assert_eq!(errors[0].record().value_bytes(), Some(Bytes::from_static(b"short")));
        drop(records);
        drop(batch);
        // Everything was handed out, so all of it is committed, and reading goes on behind it.
        consumer.commit().await.unwrap();
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(5)));
        write(&cluster, &[(Some(b"next"), SEVEN)]);
        let batch = consumer.poll().await.unwrap().unwrap();
        assert_eq!(batch.iter().next().unwrap().unwrap().key, "next");
    });
}

#[test]
fn nulls_are_values_where_the_codec_knows_them() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, &[(None, None), (Some(b""), SEVEN)]);
        let consumer = reader(&connect(&cluster).await).assign([("a", 0)]).start().await.unwrap();
        let mut consumer = consumer.typed(Nullable(Utf8), Nullable(I64Be));
        let batch = consumer.poll().await.unwrap().unwrap();
        let records: Vec<_> =
            batch.iter().map(|record| record.map(|record| (record.key, record.value)).unwrap()).collect();
        assert_eq!(records, [(None, None), (Some(String::new()), Some(7))]);
    });
}

#[test]
fn a_stream_goes_on_behind_a_record_that_cannot_be_decoded() {
    run(async {
        let cluster = cluster(|builder| builder);
        let mut consumer = mixed(&cluster).await.typed(Utf8, I64Be);
        let mut offsets = Vec::new();
        let mut stream = consumer.stream();
        for _ in 0..5 {
            match stream.next().await.unwrap() {
                Ok(record) => offsets.push(record.record.offset().0),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Client(courant_client::ErrorKind::Codec));
                    assert!(!error.is_fatal());
                    let decode = DecodeError::of(&error).unwrap();
                    assert_eq!(error.offset(), Some(decode.offset()));
                    offsets.push(-decode.offset().0);
                }
            }
        }
        assert_eq!(offsets, [0, -1, -2, -3, 4]);
        stream.consumer().commit().await.unwrap();
        drop(stream);
        assert_eq!(cluster.committed("g", "a", 0), Some(Offset(5)));
        consumer.close(ms(1000)).await.unwrap();
    });
}

#[test]
fn a_dropped_poll_loses_no_record() {
    run(async {
        let cluster = cluster(|builder| builder);
        let mut consumer = mixed(&cluster).await.typed(Utf8, I64Be);
        for _ in 0..3 {
            // Polled once and dropped: nothing has come yet, or it comes again.
            let mut poll = pin!(consumer.poll());
            assert!(poll_fn(|cx| Poll::Ready(poll.as_mut().poll(cx).is_pending())).await);
        }
        assert_eq!(consumer.poll().await.unwrap().unwrap().iter().count(), 5);
    });
}

#[test]
fn events_that_are_dropped_lose_nothing_wherever_it_happens() {
    for steps in 1..=12 {
        run(async {
            let cluster = cluster(|builder| builder);
            write(&cluster, &[(Some(b"k"), SEVEN), (Some(b"k"), Some(b"short")), (Some(b"l"), SEVEN)]);
            let kafka = connect(&cluster).await;
            let member = Consumer::builder(&kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest");
            let consumer = member.start().await.unwrap();
            let mut consumer = consumer.typed(Utf8, I64Be);
            let (mut assigned, mut offsets) = (0, Vec::new());
            while offsets.len() < 3 {
                let mut next = pin!(consumer.next_event());
                let mut left = steps;
                let polled = poll_fn(|cx| match next.as_mut().poll(cx) {
                    Poll::Ready(event) => Poll::Ready(Some(event)),
                    Poll::Pending if left == 0 => Poll::Ready(None),
                    Poll::Pending => {
                        left -= 1;
                        Poll::Pending
                    }
                });
                match polled.await {
                    Some(Ok(Some(TypedEvent::Assigned(partitions)))) => assigned += partitions.len(),
                    Some(Ok(Some(TypedEvent::Batch(batch)))) => {
                        assert_eq!(assigned, 3, "partitions come before their records");
                        offsets.extend(batch.batch().iter().map(|record| record.offset().0));
                        assert_eq!(batch.iter().filter(Result::is_err).count(), 1);
                    }
                    Some(other) => panic!("{other:?}"),
                    None => kafka.world().sleep(ms(1)).await,
                }
            }
            assert_eq!((assigned, offsets), (3, vec![0, 1, 2]), "dropped after {steps} polls");
        });
    }
}
