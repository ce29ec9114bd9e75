//! Properties that are honoured: what each changes for the brokers and the application.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod world;

use courant_broker_mock::Fault;
use courant_client::ErrorKind as ClientErrorKind;
use courant_consumer::{Consumer, ErrorKind};
use courant_protocol::api::ApiKey;
use world::{cluster, connect, ms, reader, run};

#[test]
fn a_topic_is_created_by_being_asked_for_only_where_that_was_said() {
    run(async {
        let cluster = cluster(|builder| builder.config("auto.create.topics.enable", "true"));
        let kafka = connect(&cluster).await;
        let quiet = Consumer::builder(&kafka).assign([("quiet", 0)]).start().await.unwrap();
        let asked = Consumer::builder(&kafka).assign([("asked", 0)]).set("allow.auto.create.topics", true);
        let asked = asked.auto_offset_reset("earliest").start().await.unwrap();
        assert_eq!(asked.position(("asked", 0)).await.unwrap().0, 0);
        kafka.world().sleep(ms(20_000)).await;
        assert!(cluster.topics().contains(&"asked".to_owned()));
        assert!(!cluster.topics().contains(&"quiet".to_owned()), "{:?}", cluster.topics());
        drop((quiet, asked));
    });
}

#[test]
fn calls_take_as_long_as_the_consumer_says_and_not_as_its_client_does() {
    run(async {
        let cluster = cluster(|builder| builder);
        cluster.inject(Fault::on(ApiKey::OffsetCommit).always().silence());
        let kafka = connect(&cluster).await;
        let consumer = reader(&kafka).group("g").set("default.api.timeout.ms", 7_000).start().await.unwrap();
        let started = kafka.world().now();
        let error = consumer.commit_offsets([(("a", 0), 1)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Client(ClientErrorKind::Timeout));
        assert_eq!(kafka.world().now(), started + ms(7_000));
    });
}

#[test]
fn a_member_stays_in_its_group_where_closing_is_not_to_be_the_end_of_it() {
    run(async {
        let cluster = cluster(|builder| builder);
        let kafka = connect(&cluster).await;
        let member = Consumer::builder(&kafka).group("g").subscribe(["a"]);
        let mut member = member.set("internal.leave.group.on.close", false).start().await.unwrap();
        while member.assignment().len() < 3 {
            tokio::time::timeout(ms(100), member.next_event()).await.ok();
        }
        member.close(ms(5_000)).await.unwrap();
        assert_eq!(cluster.group("g").unwrap().members.len(), 1);
    });
}
