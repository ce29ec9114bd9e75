//! Records whose handlers fail, panic, never return, or that do not decode: tried again, put aside, passed over, or told.
#![allow(clippy::unwrap_used, clippy::panic)]
mod world;

use std::cell::Cell;
use std::io;
use std::sync::Mutex;

use courant_broker_mock::Fault;
use courant_client::codec::{I64Be, Utf8};
use courant_consumer::Consumer;
use courant_handlers::{Backoff, ErrorKind, Failure, Handlers};
use courant_producer::Producer;
use courant_protocol::api::ApiKey;
use courant_protocol::record::Stamp;
use courant_protocol::types::{LeaderEpoch, Offset};
use tokio::time::{Instant, sleep};
use world::{Seen, cluster, committed, connect, for_a_while, member, ms, run, write};

const RECORDS: [(Option<&str>, &str); 4] =
    [(Some("x"), "bad"), (Some("y"), "good"), (Some("x"), "good"), (Some("x"), "good")];

fn is_bad(value: Option<&[u8]>) -> Result<(), io::Error> {
    if value == Some(b"bad") { Err(io::Error::other("the value is bad")) } else { Ok(()) }
}

fn quick() -> Backoff {
    Backoff { jitter: 0.0, ..Backoff::new(ms(1_000), ms(8_000)) }
}

#[test]
fn a_failed_record_is_tried_again_with_longer_waits_while_its_key_waits_and_others_go_on() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let (seen, times, left) = (Seen::default(), Mutex::new(Vec::new()), Cell::new(4));
        let mut runner = Handlers::new(member(&kafka))
            .retry(10, quick())
            .for_each_per_key(4, |record| {
                let call = seen.begin(&record);
                let mut result = is_bad(record.value());
                if result.is_err() {
                    times.lock().unwrap().push(Instant::now());
                    left.set(left.get() - 1);
                    if left.get() == 0 {
                        result = Ok(());
                    }
                }
                async move {
                    result?;
                    call.end();
                    Ok::<(), Failure>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(30_000)).await.is_none());
        assert_eq!(seen.begun(), [(0, 0), (0, 1), (0, 0), (0, 0), (0, 0), (0, 2), (0, 3)]);
        let times = times.lock().unwrap();
        let waits: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4]);
        assert_eq!(committed(&cluster, 0), 4);
    });
}

#[test]
fn without_a_word_about_it_a_record_that_fails_for_good_stops_the_runner_and_nothing_passes_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .retry(3, quick())
            .for_each_per_key(4, |record| {
                seen.begin(&record).end();
                let result = is_bad(record.value());
                async move { result }
            })
            .await
            .unwrap();
        let error = for_a_while(&mut runner, ms(30_000)).await.unwrap();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Handler, 3));
        assert_eq!(error.topic_partition(), Some(&("a", 0).into()));
        assert_eq!(error.offset(), Some(0.into()));
        let text = error.to_string();
        assert!(
            text.contains("(a-0@0, 3 attempts): the value is bad; give the runner a dead-letter"),
            "{text}"
        );
        let again = for_a_while(&mut runner, ms(30_000)).await.unwrap();
        assert_eq!(again.to_string(), text);
        runner.close(ms(5_000)).await.unwrap();
        assert_eq!(seen.begun(), [(0, 0), (0, 1), (0, 0), (0, 0)]);
        assert_eq!(committed(&cluster, 0), 0, "1 is done, but 0 is not");
    });
}

#[test]
fn what_is_to_be_skipped_is_passed_over_and_counts_as_finished() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .skip_failed()
            .for_each_per_key(4, |record| {
                seen.begin(&record).end();
                let result = is_bad(record.value()).map_err(Failure::permanent);
                async move { result }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert_eq!(seen.begun(), [(0, 0), (0, 1), (0, 2), (0, 3)], "no attempt helps");
        assert_eq!(committed(&cluster, 0), 4);
    });
}

#[test]
fn a_dead_letter_is_the_record_with_where_it_came_from_and_why() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let producer = Producer::builder(&kafka).start().await.unwrap();
        let mut runner = Handlers::new(member(&kafka))
            .retry(2, quick())
            .dead_letters(&producer, "dead")
            .for_each_per_key(4, |record| {
                let result = is_bad(record.value());
                async move { result }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(20_000)).await.is_none());
        assert_eq!(committed(&cluster, 0), 4);
        let mut dead = Consumer::builder(&kafka)
            .assign([("dead", 0)])
            .auto_offset_reset("earliest")
            .start()
            .await
            .unwrap();
        let batch = dead.poll().await.unwrap().unwrap();
        let letter = batch.iter().next().unwrap();
        assert_eq!((batch.len(), letter.key(), letter.value()), (1, Some(&b"x"[..]), Some(&b"bad"[..])));
        let headers: Vec<(&str, &str)> = letter
            .headers()
            .map(|header| {
                (
                    std::str::from_utf8(header.key).unwrap(),
                    std::str::from_utf8(header.value.unwrap()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            headers,
            [
                ("__handlers.errors.topic", "a"),
                ("__handlers.errors.partition", "0"),
                ("__handlers.errors.offset", "0"),
                ("__handlers.errors.timestamp", "1000"),
                ("__handlers.errors.stage", "handler"),
                ("__handlers.errors.exception.message", "the value is bad"),
                ("__handlers.errors.attempts", "2"),
            ]
        );
    });
}

#[test]
fn a_record_is_not_finished_before_its_dead_letter_is_written() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let producer = Producer::builder(&kafka).start().await.unwrap();
        cluster.inject(Fault::on(ApiKey::Produce).delay(ms(20_000)));
        let mut runner = Handlers::new(member(&kafka))
            .dead_letters(&producer, "dead")
            .for_each_per_key(4, |record| {
                let result = is_bad(record.value()).map_err(Failure::permanent);
                async move { result }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(18_000)).await.is_none());
        assert_eq!((committed(&cluster, 0), runner.in_flight()), (0, 3));
        assert!(for_a_while(&mut runner, ms(30_000)).await.is_none());
        assert_eq!((committed(&cluster, 0), runner.in_flight()), (4, 0));
    });
}

#[test]
fn a_dead_letter_that_cannot_be_written_stops_the_runner() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let producer = Producer::builder(&kafka).start().await.unwrap();
        producer.close(ms(1_000)).await.unwrap();
        let mut runner = Handlers::new(member(&kafka))
            .dead_letters(&producer, "dead")
            .for_each_per_key(4, |record| {
                let result = is_bad(record.value()).map_err(Failure::permanent);
                async move { result }
            })
            .await
            .unwrap();
        let error = for_a_while(&mut runner, ms(18_000)).await.unwrap();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::DeadLetter, Some(0.into())));
        runner.close(ms(5_000)).await.unwrap();
        assert_eq!(committed(&cluster, 0), 0);
    });
}

#[test]
fn records_that_do_not_decode_become_dead_letters_and_the_others_are_handled() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &[(Some("x"), "12345678"), (Some("y"), "seven"), (Some("z"), "12345678")]);
        let kafka = connect(&cluster).await;
        let producer = Producer::builder(&kafka).start().await.unwrap();
        let sum = Cell::new(0);
        let mut runner = Handlers::new(member(&kafka))
            .dead_letters(&producer, "dead")
            .typed::<String, i64>(Utf8, I64Be)
            .for_each_per_partition(|record| {
                sum.set(sum.get() + 1);
                assert_eq!(record.value, i64::from_be_bytes(*b"12345678"));
                async { Ok::<(), Failure>(()) }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert_eq!((sum.get(), committed(&cluster, 0)), (2, 3));
        let mut dead = Consumer::builder(&kafka)
            .assign([("dead", 0)])
            .auto_offset_reset("earliest")
            .start()
            .await
            .unwrap();
        let batch = dead.poll().await.unwrap().unwrap();
        let letter = batch.iter().next().unwrap();
        assert_eq!(letter.value(), Some(&b"seven"[..]));
        assert_eq!(letter.last_header("__handlers.errors.stage").unwrap().value, Some(&b"decode"[..]));

        let stops = Handlers::new(member(&kafka).group("other")).typed::<String, i64>(Utf8, I64Be);
        let mut runner = stops.for_each_per_partition(async |_| Ok::<(), Failure>(())).await.unwrap();
        let error = for_a_while(&mut runner, ms(10_000)).await.unwrap();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Undecodable, Some(1.into())));
    });
}

#[test]
fn a_batch_that_cannot_be_read_is_told_and_passed_over_when_told_so_and_by_no_commit_before() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        write(&cluster, 1, &RECORDS);
        // The second of three batches is broken.
        let mut broken = cluster.log("a", 1)[0].bytes.to_vec();
        let last = broken.len() - 1;
        broken[last] ^= 0xff;
        broken[..8].copy_from_slice(&4_i64.to_be_bytes());
        cluster.append_raw("a", 0, broken.into()).unwrap();
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka).auto_commit_interval(ms(1_000)))
            .for_each_per_key(8, |record| {
                let call = seen.begin(&record);
                async move {
                    if record.partition().0 == 0 && record.offset().0 == 1 {
                        sleep(ms(60_000)).await;
                    }
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        let error = for_a_while(&mut runner, ms(10_000)).await.unwrap();
        assert_eq!(error.kind(), ErrorKind::Consumer(courant_consumer::ErrorKind::CorruptRecord));
        assert_eq!((error.topic_partition(), error.offset()), (Some(&("a", 0).into()), Some(4.into())));
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none(), "it is told once");
        assert_eq!((committed(&cluster, 0), committed(&cluster, 1)), (1, 4));
        assert!(!seen.begun().contains(&(0, 8)), "nothing is jumped over in silence");
        runner.pass_over(&error).unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert!(seen.ended().contains(&(0, 11)));
        assert_eq!(committed(&cluster, 0), 1, "1 is not finished");
        assert!(for_a_while(&mut runner, ms(60_000)).await.is_none());
        assert_eq!(committed(&cluster, 0), 12);
        assert_eq!(seen.begun().len(), 12, "and nothing twice");
    });
}

#[test]
fn calls_go_on_though_no_partition_is_left_that_could_bring_a_record() {
    run(async {
        let cluster = cluster(|builder| builder.topic("b", 1));
        let good = world::sealed(&[(None, "good"), (None, "good")]);
        cluster.append_raw("b", 0, good.to_bytes(&Stamp::default())).unwrap();
        let mut broken = good.to_bytes(&Stamp::default().at(Offset(2), LeaderEpoch(-1))).to_vec();
        *broken.last_mut().unwrap() ^= 0xff;
        cluster.append_raw("b", 0, broken.into()).unwrap();
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let consumer = Consumer::builder(&kafka).group("g").subscribe(["b"]).auto_offset_reset("earliest");
        let mut runner = Handlers::new(consumer)
            .for_each_per_partition(|record| {
                let call = seen.begin(&record);
                async move {
                    sleep(ms(500)).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();

        // It says so each time it is asked, and some ask it again and again.
        for _ in 0..70 {
            assert!(runner.run().await.unwrap_err().consumer().is_some());
        }
        assert_eq!((seen.ended(), seen.running()), (vec![(0, 0)], 1));
        let error = runner.close(ms(10_000)).await.unwrap_err();
        assert_eq!(error.consumer().unwrap().offset(), Some(Offset(2)));
        assert_eq!(seen.ended(), [(0, 0), (0, 1)]);
        assert_eq!(cluster.committed("g", "b", 0), Some(Offset(2)));
    });
}

#[test]
fn a_panic_is_an_error_that_names_the_record() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &RECORDS);
        let kafka = connect(&cluster).await;
        for early in [false, true] {
            let mut runner = Handlers::new(member(&kafka).group(format!("g{early}")))
                .for_each_per_key(4, |record| {
                    let bad = is_bad(record.value()).is_err();
                    assert!(!bad || !early, "out of my depth");
                    async move {
                        sleep(ms(10)).await;
                        assert!(!bad, "out of my depth");
                        Ok::<(), Failure>(())
                    }
                })
                .await
                .unwrap();
            let error = for_a_while(&mut runner, ms(10_000)).await.unwrap();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Panicked, Some(0.into())));
            assert!(error.to_string().contains("panicked: out of my depth"), "{error}");
        }
    });
}
