//! What a `Kafka` handle must do.
use courant::admin::Admin;
use courant::client::ErrorKind;
use courant::{Kafka, Offset, Record};

use super::world::{PATIENCE, Subject, numbers, producer, read_one, topic};

super::case::declare! {
    ($) client_suite;
    a_dead_bootstrap_address_is_passed_over: "G3" "G4";
    clones_share_one_handle: "G3";
    a_closed_handle_says_so: "G8";
    close_twice_is_harmless: "G8";
    an_unknown_property_names_its_neighbour: "G8";
    a_value_out_of_range_names_the_range: "G8";
    many_tasks_share_a_handle: "G2" "G6";
    a_cancelled_call_disturbs_no_other: "G2";
    a_new_topic_is_found_without_waiting_for_the_age_of_metadata: "G6" "P25";
}

async fn a_dead_bootstrap_address_is_passed_over(subject: Subject) {
    let bootstrap = format!("127.0.0.1:1,{}", subject.bootstrap);
    let kafka = Kafka::builder()
        .bootstrap(bootstrap)
        .world(subject.world.clone())
        .connect()
        .await
        .expect("one answers");
    assert_eq!(
        Admin::new(&kafka).describe_cluster().await.expect("described").brokers.len(),
        subject.brokers
    );
}

async fn clones_share_one_handle(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "clones", 1).await;
    let other = kafka.clone();
    producer(&other).await.send(Record::to(&topic).value("v")).await.expect("acknowledged");
    drop(other);
    assert_eq!(read_one(&kafka, &topic, 1).await[0].offset, Offset(0));
}

async fn a_closed_handle_says_so(subject: Subject) {
    let kafka = subject.kafka().await;
    kafka.close(PATIENCE).await.expect("closed");
    let error = Admin::new(&kafka).list_topics().await.expect_err("closed");
    assert!(error.to_string().contains("closed"), "{error}");
}

async fn close_twice_is_harmless(subject: Subject) {
    let kafka = subject.kafka().await;
    kafka.close(PATIENCE).await.expect("closed");
    kafka.clone().close(PATIENCE).await.expect("closed already");
}

async fn an_unknown_property_names_its_neighbour(subject: Subject) {
    let builder = Kafka::builder().bootstrap(subject.bootstrap.as_str()).world(subject.world.clone());
    let error = builder.set("request.timeout.mss", "1").connect().await.expect_err("misspelt");
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = format!("{error} {:?}", error.hint());
    assert!(text.contains("request.timeout.mss") && text.contains("`request.timeout.ms`"), "{text}");
}

async fn a_value_out_of_range_names_the_range(subject: Subject) {
    let builder = Kafka::builder().bootstrap(subject.bootstrap.as_str()).world(subject.world.clone());
    let error = builder.set("request.timeout.ms", "-5").connect().await.expect_err("out of range");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("request.timeout.ms") && error.to_string().contains("-5"), "{error}");
}

async fn many_tasks_share_a_handle(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "tasks", 1).await;
    let producer = producer(&kafka).await;
    let tasks: Vec<_> = numbers(40)
        .map(|value| {
            let (producer, topic) = (producer.clone(), topic.clone());
            tokio::spawn(
                async move { producer.send(Record::to(&topic).value(value)).await.map(|at| at.offset) },
            )
        })
        .collect();
    let mut offsets = Vec::new();
    for task in tasks {
        offsets.push(task.await.expect("joined").expect("acknowledged").0);
    }
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..40));
}

async fn a_cancelled_call_disturbs_no_other(subject: Subject) {
    let kafka = subject.kafka().await;
    let topic = topic(&kafka, "cancelled", 1).await;
    let admin = Admin::new(&kafka);
    for _ in 0..20 {
        let call = admin.describe_cluster();
        let _ = tokio::time::timeout(std::time::Duration::ZERO, call).await;
        let topics = admin.list_topics().await.expect("the next call has its own answer");
        assert!(topics.iter().any(|listing| listing.name == topic));
    }
}

async fn a_new_topic_is_found_without_waiting_for_the_age_of_metadata(subject: Subject) {
    let (writer, maker) = (subject.kafka().await, subject.kafka().await);
    let producer = producer(&writer).await;
    let topic = topic(&maker, "new-topic", 1).await;
    let sent =
        tokio::time::timeout(PATIENCE, producer.send(Record::to(&topic).value("v"))).await.expect("in time");
    assert_eq!(sent.expect("acknowledged").offset, Offset(0));
}
