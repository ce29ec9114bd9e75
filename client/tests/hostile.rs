//! Peers that answer with anything: an error each time, within its time, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use courant_client::Kafka;
use courant_protocol::messages::{AnyRequest, MetadataResponse};
use courant_runtime::World;

mod support;
use support::{Network, Peer, Reply, SECOND};

#[tokio::test(start_paused = true)]
async fn random_bytes_end_in_an_error_and_leave_nothing() {
    let mut rng = World::builder().seed(5).build().rng("bytes");
    for case in 0..300 {
        let length = rng.below(64);
        let mut bytes: Vec<u8> = (0..length).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
        if case % 2 == 0 {
            // A plausible frame around the noise: its size, and the correlation id that is waited for.
            let size = u32::try_from(bytes.len() + 4).unwrap().to_be_bytes();
            bytes.splice(..0, size.into_iter().chain([0; 4]));
        }
        let network = Network::default().with("kafka:9092", Peer::Says(bytes.clone()));
        let builder = Kafka::builder().bootstrap("kafka:9092").world(network.world());
        let connecting = builder.connect_timeout(SECOND).connect();
        let ended = tokio::time::timeout(SECOND * 2, connecting).await.expect("it ends in its time");
        assert!(ended.is_err(), "{bytes:?} is no broker");
        tokio::time::sleep(SECOND).await;
        assert_eq!(network.live(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_makes_no_sense_is_refused_and_the_next_broker_asked() {
    let network = Network::brokers(|asked| match &asked.request {
        AnyRequest::Metadata(request) if asked.address.host == "mock-1" => {
            let mut response: MetadataResponse = support::metadata(request);
            response.brokers[0].port = -7;
            Some(Reply::Now(response.into()))
        }
        _ => None,
    });
    let kafka = Kafka::builder().bootstrap("mock-1:9092,mock-2:9092").world(network.world());
    let kafka = kafka.connect().await.unwrap();
    assert_eq!(kafka.cluster().snapshot().brokers().len(), 3);
}
