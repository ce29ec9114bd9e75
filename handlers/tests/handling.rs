//! Handlers on the mock cluster, in virtual time: order, concurrency, commits, back-pressure, the end.
#![allow(clippy::unwrap_used)]
mod world;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use courant_client::codec::Utf8;
use courant_consumer::Consumer;
use courant_handlers::{ErrorKind, Failure, Handlers};
use futures_util::future::join;
use tokio::time::sleep;
use world::{Seen, cluster, committed, connect, fill, for_a_while, member, ms, run, write};

#[test]
fn records_of_a_key_are_handled_in_order_and_many_keys_at_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 30);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_key(6, |record| {
                let (seen, place) = (seen.clone(), record.offset().0 as u64);
                async move {
                    let call = seen.begin(&record);
                    // The later ones are quicker.
                    sleep(ms(100 - place)).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(30_000)).await.is_none());
        assert_eq!((seen.begun().len(), seen.most_at_once()), (90, 6));
        for partition in 0..3 {
            for key in 0..3 {
                let of_key = |place: &&(i32, i64)| place.0 == partition && place.1 % 3 == key;
                let order: Vec<i64> = seen.ended().iter().filter(of_key).map(|place| place.1).collect();
                assert_eq!(order, (0..10).map(|n| n * 3 + key).collect::<Vec<_>>());
            }
            assert_eq!(committed(&cluster, partition), 30);
        }
        assert_eq!(runner.in_flight(), 0);
    });
}

#[test]
fn records_of_a_partition_are_handled_in_order_and_all_partitions_at_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 10);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_partition(|record| {
                let seen = seen.clone();
                async move {
                    let call = seen.begin(&record);
                    sleep(ms(500)).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert_eq!(seen.most_at_once(), 3);
        assert!(seen.by_partition().values().all(|offsets| *offsets == (0..10).collect::<Vec<_>>()));
    });
}

#[test]
fn records_without_a_key_wait_for_nobody() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &[(None, "v"); 8]);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_key(5, |record| {
                let seen = seen.clone();
                async move {
                    let _call = seen.begin(&record);
                    sleep(ms(50)).await;
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        assert_eq!((seen.begun().len(), seen.most_at_once()), (8, 5));
    });
}

#[test]
fn commits_stop_at_the_first_record_that_is_not_finished() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 10);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_key(16, |record| {
                let seen = seen.clone();
                async move {
                    let call = seen.begin(&record);
                    // The key of 4, 7 and 1 in the first partition.
                    if record.partition().0 == 0 && record.offset().0 == 4 {
                        sleep(ms(100_000)).await;
                    }
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(60_000)).await.is_none());
        assert_eq!((committed(&cluster, 0), committed(&cluster, 1)), (4, 10));
        assert!(!seen.begun().contains(&(0, 7)), "7 has to wait for 4");
        assert!(seen.ended().contains(&(0, 9)), "9 has not");
        assert!(for_a_while(&mut runner, ms(60_000)).await.is_none());
        assert_eq!(committed(&cluster, 0), 10);
    });
}

#[test]
fn a_full_runner_takes_no_more_in_and_goes_on_when_there_is_room() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 100);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka).max_poll_records(5))
            .max_in_flight(20)
            .for_each_per_key(4, |record| {
                let seen = seen.clone();
                async move {
                    let _call = seen.begin(&record);
                    sleep(ms(1_000)).await;
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        for _ in 0..300 {
            assert!(for_a_while(&mut runner, ms(500)).await.is_none());
            assert!(runner.in_flight() < 25, "{}", runner.in_flight());
        }
        assert_eq!(seen.begun().len(), 300);

        let mut runner = Handlers::new(member(&kafka).group("by bytes").max_poll_records(1))
            .max_in_flight_bytes(30)
            .for_each_per_partition(async |_| {
                sleep(ms(1_000)).await;
                Ok::<(), io::Error>(())
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(10_500)).await.is_none());
        assert_eq!(runner.in_flight(), 10, "of three bytes each");
    });
}

#[test]
fn a_partition_with_much_to_do_does_not_keep_the_others_waiting() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 300);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let mut runner = Handlers::new(member(&kafka).max_poll_records(3))
            .max_in_flight(6)
            .for_each_per_partition(|record| {
                let call = seen.begin(&record);
                async move {
                    sleep(ms(300)).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(15_000)).await.is_none());
        let handled: Vec<usize> = seen.by_partition().values().map(Vec::len).collect();
        assert!(handled.len() == 3 && handled.iter().all(|count| *count > 20), "{handled:?}");
        assert!(for_a_while(&mut runner, ms(200_000)).await.is_none());
        assert_eq!((0..3).map(|partition| committed(&cluster, partition)).sum::<i64>(), 900);
    });
}

#[test]
fn a_handler_may_take_ten_minutes_while_the_runner_is_full() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 20);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let consumer = member(&kafka).max_poll_records(1).max_poll_interval(ms(30_000));
        let mut runner = Handlers::new(consumer)
            .max_in_flight(1)
            .for_each_per_key(1, |record| {
                let seen = seen.clone();
                async move {
                    let call = seen.begin(&record);
                    let is_first = seen.begun().len() == 1;
                    sleep(if is_first { ms(600_000) } else { ms(60_000) }).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(5_000)).await.is_none());
        let before = cluster.group("g").unwrap();
        for _ in 0..30 {
            assert!(for_a_while(&mut runner, ms(30_000)).await.is_none());
            let now = cluster.group("g").unwrap();
            assert_eq!((now.members.len(), &now.members[0].member_id), (1, &before.members[0].member_id));
        }
        assert!(seen.ended().len() > 3, "{:?}", seen.ended());
        assert_eq!(seen.begun().len(), seen.ended().len() + 1, "nothing was begun twice");
    });
}

#[test]
fn a_handler_of_sixty_seconds_loses_no_membership_with_settings_as_they_are() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 4);
        let kafka = connect(&cluster).await;
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_key(1, async |_| {
                sleep(ms(60_000)).await;
                Ok::<(), io::Error>(())
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(5_000)).await.is_none());
        let member = cluster.group("g").unwrap().members[0].member_id.clone();
        assert!(for_a_while(&mut runner, ms(13 * 60_000)).await.is_none());
        assert_eq!(cluster.group("g").unwrap().members[0].member_id, member);
        let done: i64 = (0..3).map(|partition| committed(&cluster, partition)).sum();
        assert_eq!((done, runner.in_flight()), (12, 0));
    });
}

#[test]
fn handlers_that_are_always_ready_starve_nobody() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 1);
        let kafka = connect(&cluster).await;
        let polls = std::cell::Cell::new(0);
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_partition(|_| {
                let (polls, mut left) = (&polls, 10_000);
                poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    left -= 1;
                    cx.waker().wake_by_ref();
                    if left > 0 { Poll::Pending } else { Poll::Ready(Ok::<(), io::Error>(())) }
                })
            })
            .await
            .unwrap();
        let mut most = 0;
        while (0..3).map(|partition| committed(&cluster, partition)).sum::<i64>() < 3 {
            let before = polls.get();
            let mut running = pin!(runner.run());
            poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx).is_pending())).await;
            most = most.max(polls.get() - before);
            sleep(ms(1)).await;
        }
        assert_eq!(polls.get(), 30_000);
        assert!(most <= 100, "{most} polls of handlers in one of the runner");
    });
}

#[test]
fn closing_lets_calls_return_commits_and_leaves() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 10);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let consumer = member(&kafka).auto_commit_interval(ms(600_000));
        let mut runner = Handlers::new(consumer)
            .for_each_per_partition(|record| {
                let seen = seen.clone();
                async move {
                    let call = seen.begin(&record);
                    sleep(ms(2_000)).await;
                    call.end();
                    Ok::<(), io::Error>(())
                }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(5_500)).await.is_none());
        let begun = seen.begun().len();
        assert_eq!((begun - seen.ended().len(), seen.running()), (3, 3));
        runner.close(ms(30_000)).await.unwrap();
        assert_eq!(
            (seen.begun().len(), seen.ended().len()),
            (begun, begun),
            "they returned, and no more began"
        );
        for (partition, offsets) in seen.by_partition() {
            assert_eq!(committed(&cluster, partition), offsets.len() as i64);
        }
        assert_eq!(cluster.group("g").unwrap().members, []);
        assert!(runner.run().await.is_ok(), "it has ended");
    });
}

#[test]
fn a_call_that_does_not_return_before_the_deadline_is_named_and_not_committed() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 1, &[(Some("x"), "v"), (Some("y"), "v"), (Some("z"), "v")]);
        let kafka = connect(&cluster).await;
        let mut runner = Handlers::new(member(&kafka))
            .for_each_per_key(8, async |record| {
                if record.key() == Some(b"y") {
                    std::future::pending::<()>().await;
                }
                Ok::<(), io::Error>(())
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(5_000)).await.is_none());
        let error = runner.close(ms(8_000)).await.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Timeout, Some(1.into())));
        assert_eq!((committed(&cluster, 1), cluster.group("g").unwrap().members.len()), (1, 0));
    });
}

#[test]
fn a_dropped_runner_drops_its_calls_and_repeats_what_was_not_committed() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 5);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let handler = |record| {
            let seen = seen.clone();
            async move {
                let call = seen.begin(&record);
                sleep(ms(300)).await;
                call.end();
                Ok::<(), io::Error>(())
            }
        };
        let settings = Handlers::new(member(&kafka));
        let mut runner = settings.clone().for_each_per_partition(handler).await.unwrap();
        assert!(for_a_while(&mut runner, ms(4_000)).await.is_none());
        drop(runner);
        assert_eq!(seen.running(), 0);
        let mut runner = settings.for_each_per_partition(handler).await.unwrap();
        assert!(for_a_while(&mut runner, ms(30_000)).await.is_none());
        assert_eq!((0..3).map(|partition| committed(&cluster, partition)).collect::<Vec<_>>(), [5, 5, 5]);
    });
}

#[test]
fn what_has_no_limit_is_not_over_at_once() {
    run(async {
        let cluster = cluster(|builder| builder);
        fill(&cluster, 1);
        let kafka = connect(&cluster).await;
        let seen = Seen::default();
        let handler = |record| {
            let call = seen.begin(&record);
            async move {
                sleep(ms(20_000)).await;
                call.end();
                Ok::<(), io::Error>(())
            }
        };
        let endless = Handlers::new(member(&kafka)).drain_timeout(Duration::MAX).slow_after(Duration::MAX);
        let mut runner = endless.clone().for_each_per_key(3, handler).await.unwrap();
        assert!(for_a_while(&mut runner, ms(10_000)).await.is_none());
        let mut second = endless.for_each_per_key(3, handler).await.unwrap();
        let both = join(for_a_while(&mut runner, ms(20_000)), for_a_while(&mut second, ms(20_000)));
        assert!(matches!(both.await, (None, None)));
        assert_eq!(seen.ended().len(), 3, "calls of revoked partitions are waited for");
        fill(&cluster, 1);
        let both = join(for_a_while(&mut runner, ms(5_000)), for_a_while(&mut second, ms(5_000)));
        assert!(matches!(both.await, (None, None)));
        runner.close(Duration::MAX).await.unwrap();
        second.close(Duration::MAX).await.unwrap();
        assert_eq!((seen.ended().len(), seen.begun().len()), (6, 6));
    });
}

#[test]
fn typed_handlers_get_what_their_codecs_read() {
    run(async {
        let cluster = cluster(|builder| builder);
        write(&cluster, 0, &[(Some("ann"), "5"), (Some("bob"), "7")]);
        let kafka = connect(&cluster).await;
        let got = std::sync::Mutex::new(Vec::new());
        let mut runner = Handlers::new(member(&kafka))
            .typed::<String, String>(Utf8, Utf8)
            .for_each_per_key(2, |record| {
                got.lock().unwrap().push((record.key, record.value, record.record.offset().0));
                async { Ok::<(), Failure>(()) }
            })
            .await
            .unwrap();
        assert!(for_a_while(&mut runner, ms(5_000)).await.is_none());
        let expected = [("ann".to_owned(), "5".to_owned(), 0), ("bob".to_owned(), "7".to_owned(), 1)];
        assert_eq!(*got.lock().unwrap(), expected);
    });
}

#[test]
fn settings_that_do_not_fit_are_told() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let handler = async |_| Ok::<(), io::Error>(());
        let without_group = Consumer::builder(&kafka).assign([("a", 0)]);
        let error = Handlers::new(without_group).for_each_per_key(1, handler).await.unwrap_err();
        assert!(error.to_string().contains("group.id"), "{error}");
        let error = Handlers::new(member(&kafka)).for_each_per_key(0, handler).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUse);
        let producer = courant_producer::Producer::builder(&kafka).start().await.unwrap();
        let own = Handlers::new(member(&kafka)).dead_letters(&producer, "a");
        let error = own.for_each_per_key(1, handler).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUse);
    });
}
