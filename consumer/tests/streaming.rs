//! Records one by one, out of what the stream holds: each call is a poll, and nothing goes on that was put elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]
mod batches;
mod world;

use std::collections::BTreeSet;

use batches::Spec;
use courant_client::Kafka;
use courant_consumer::{Consumer, ConsumerBuilder, RecordStream};
use courant_protocol::types::Offset;
use futures_util::{FutureExt, StreamExt};
use world::{cluster, connect, ms, reader, run};

async fn next(stream: &mut RecordStream<'_>) -> (i32, i64) {
    let record = stream.next().await.expect("the consumer is open").unwrap();
    (record.partition().0, record.offset().0)
}

fn member(kafka: &Kafka) -> ConsumerBuilder {
    Consumer::builder(kafka).group("g").subscribe(["a"]).auto_offset_reset("earliest")
}

#[test]
fn what_is_put_elsewhere_paused_or_closed_is_given_out_no_more() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(100).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = reader(&kafka).start().await.unwrap();
        let mut stream = consumer.stream();
        assert_eq!(next(&mut stream).await, (0, 0));
        stream.consumer().seek(("a", 0), Offset(50)).unwrap();
        assert_eq!(stream.consumer().position(("a", 0)).await.unwrap(), Offset(50));
        assert_eq!(next(&mut stream).await, (0, 50));

        stream.consumer().pause([("a", 0)]).unwrap();
        assert!(tokio::time::timeout(ms(5_000), stream.next()).await.is_err());
        assert_eq!(stream.consumer().position(("a", 0)).await.unwrap(), Offset(51));
        stream.consumer().resume([("a", 0)]).unwrap();
        assert_eq!(next(&mut stream).await, (0, 51));

        stream.consumer().assign([("a", 1)]).unwrap();
        assert!(tokio::time::timeout(ms(5_000), stream.next()).await.is_err());
        stream.consumer().assign([("a", 0)]).unwrap();
        assert_eq!(next(&mut stream).await, (0, 0));
        stream.consumer().close(ms(5_000)).await.unwrap();
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn each_record_that_is_asked_for_is_a_poll_and_finishes_the_one_before() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.append_raw("a", 0, Spec::at(0).records(400).bytes()).unwrap();
        let kafka = connect(&cluster).await;
        let mut consumer = member(&kafka).max_poll_interval(ms(10_000)).start().await.unwrap();
        let mut stream = consumer.stream();
        for offset in 0..400 {
            assert_eq!(next(&mut stream).await, (0, offset));
            kafka.world().sleep(ms(1_000)).await;
            // Auto-commit comes round every five seconds.
            let committed = cluster.committed("g", "a", 0).map_or(0, |committed| committed.0);
            assert!(committed <= offset && offset - committed <= 7, "{committed} is committed at {offset}");
        }
    });
}

#[test]
fn a_member_that_streams_lets_others_in_between_two_records() {
    run(async {
        let cluster = cluster(|builder| builder);
        for partition in 0..3 {
            cluster.append_raw("a", partition, Spec::at(0).records(300).bytes()).unwrap();
        }
        let kafka = connect(&cluster).await;
        let mut first = member(&kafka).start().await.unwrap();
        let mut stream = first.stream();
        let mut got = BTreeSet::from([next(&mut stream).await]);
        let mut second = member(&kafka).start().await.unwrap();
        let mut other = second.stream();
        let started = kafka.world().now();
        let mut joined = None;
        // The first one takes its time for each record; what the second one has is there at once.
        while got.len() < 900 {
            if let Some(Some(record)) = stream.next().now_or_never() {
                let record = record.unwrap();
                got.insert((record.partition().0, record.offset().0));
            }
            while let Some(Some(record)) = other.next().now_or_never() {
                joined.get_or_insert_with(|| kafka.world().now() - started);
                let record = record.unwrap();
                got.insert((record.partition().0, record.offset().0));
            }
            kafka.world().sleep(ms(100)).await;
        }
        let joined = joined.expect("the second one got its share");
        assert!(joined < ms(10_000), "after {joined:?}");
    });
}
