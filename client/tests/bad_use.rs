//! What a user reads who got something wrong: whole texts, so that nobody changes them without looking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use courant_client::{Error, ErrorKind, Kafka, KafkaBuilder};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::{AnyRequest, SaslAuthenticateResponse, SaslHandshakeResponse};

mod support;
use support::{Network, Peer, Reply, SECOND};

async fn refused(builder: KafkaBuilder) -> Error {
    builder.connect().await.expect_err("this cannot work")
}

fn at(peer: Peer) -> KafkaBuilder {
    let network = Network::default().with("kafka:9092", peer);
    Kafka::builder().bootstrap("kafka:9092").world(network.world())
}

#[tokio::test(start_paused = true)]
async fn no_broker_lists_addresses_attempts_and_time() {
    let network = Network::default();
    let builder = Kafka::builder().bootstrap("one:9092,two:9093").world(network.world());
    let error = refused(builder.connect_timeout(SECOND * 5)).await;
    assert_eq!(error.kind(), ErrorKind::NoBroker);
    assert!(error.is_retriable() && !error.possibly_written());
    let (one, two) = (network.attempts("one:9092"), network.attempts("two:9093"));
    assert_eq!(
        error.to_string(),
        format!(
            "no broker answered within 5 s: one:9092 ({one} attempts, last: cannot connect: connection refused), \
             two:9093 ({two} attempts, last: cannot connect: connection refused); \
             is a broker running there? (bootstrap.servers)"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_port_that_stays_silent_is_named_with_the_setting_for_the_time() {
    let error = refused(at(Peer::Silence).connect_timeout(SECOND * 15)).await;
    assert_eq!(
        error.to_string(),
        "no broker answered within 15 s: kafka:9092 (1 attempt: no answer to ApiVersions within the time for \
         setting up a connection); socket.connection.setup.timeout.ms sets the time; does the port speak Kafka's protocol?"
    );
}

#[tokio::test(start_paused = true)]
async fn an_http_port_is_recognised_at_once() {
    let error = refused(at(Peer::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()))).await;
    assert_eq!(error.kind(), ErrorKind::NotKafka);
    assert!(!error.is_retriable());
    assert_eq!(
        error.to_string(),
        "the peer speaks HTTP, not Kafka's protocol (broker kafka:9092); bootstrap.servers must name Kafka's own port \
         (often 9092), not that of a web service"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tls_port_is_recognised_at_once() {
    let error = refused(at(Peer::Says(vec![0x15, 3, 3, 0, 2, 2, 80]))).await;
    assert_eq!(error.kind(), ErrorKind::NotKafka);
    assert_eq!(
        error.to_string(),
        "the peer speaks TLS where plain text was expected (broker kafka:9092); the listener wants TLS: use a plain-text \
         listener, or check security.protocol"
    );
}

#[tokio::test(start_paused = true)]
async fn a_port_that_closes_at_once_hints_at_what_does_so() {
    let error = refused(at(Peer::Closes).connect_timeout(SECOND)).await;
    assert_eq!(error.kind(), ErrorKind::NoBroker);
    let text = error.to_string();
    assert!(text.contains("last: the peer closed the connection without answering ApiVersions"), "{text}");
    assert!(text.ends_with(
        "a TLS listener does this to a client in the clear (security.protocol), as do some proxies"
    ));
}

#[tokio::test]
async fn a_misspelt_property_suggests_the_nearest_name() {
    let error = refused(at(Peer::Nothing).set("request.timout.ms", 500)).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "unknown property `request.timout.ms`; did you mean `request.timeout.ms`?");
    assert_eq!(error.hint(), Some("did you mean `request.timeout.ms`?"));
}

#[tokio::test]
async fn a_wrong_value_names_property_and_range() {
    let error = refused(at(Peer::Nothing).set("request.timeout.ms", -5)).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("`request.timeout.ms`") && text.contains("-5") && text.contains('0'), "{text}");
}

#[tokio::test]
async fn an_address_without_a_port_is_refused_before_anything_is_tried() {
    let error = refused(Kafka::builder().bootstrap("localhost")).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("bootstrap.servers"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_at_once_in_the_brokers_words() {
    let network = Network::brokers(|asked| match &asked.request {
        AnyRequest::SaslHandshake(_) => Some(Reply::Now(SaslHandshakeResponse::default().into())),
        AnyRequest::SaslAuthenticate(_) => Some(Reply::Now(
            SaslAuthenticateResponse {
                error_code: ErrorCode::SASL_AUTHENTICATION_FAILED.0,
                error_message: Some("Authentication failed: Invalid username or password".into()),
                ..Default::default()
            }
            .into(),
        )),
        _ => None,
    });
    let builder =
        Kafka::builder().bootstrap("mock-1:9092").world(network.world()).sasl_plain("alice", "hunter2");
    assert!(!format!("{builder:?}").contains("hunter2"));
    let error = refused(builder).await;
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(network.attempts("mock-1:9092"), 1, "wrong credentials are not tried again");
    assert_eq!(
        error.to_string(),
        "authentication of user alice failed, the broker says \"Authentication failed: Invalid username or password\": the \
         broker answered SASL_AUTHENTICATION_FAILED (58) (broker mock-1:9092); check the user name and the password \
         (sasl.jaas.config)"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_says_so_after_the_time_given() {
    let network = Network::brokers(|_| None);
    let kafka = Kafka::builder().bootstrap("mock-1:9092").world(network.world()).connect().await.unwrap();
    let deadline = kafka.world().now() + SECOND * 3;
    let error = kafka.cluster().topic("ordres", deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopic);
    assert_eq!(
        error.to_string(),
        "the topic is not there: the broker answered UNKNOWN_TOPIC_OR_PARTITION (3) (topic ordres, after 3 s); create it \
         (auto.create.topics.enable lets the broker do so), or check its name"
    );
}
