//! Connections that belong to a driver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::future::poll_fn;
use std::time::{Duration, Instant};

use courant_client::{ErrorKind, Kafka, Link, LinkEvent, TrafficClass};
use courant_protocol::frame::decode_response;
use courant_protocol::messages::{
    AnyRequest, DescribeClusterRequest, DescribeClusterResponse, FetchRequest, FetchResponse,
};
use courant_protocol::types::NodeId;
use courant_runtime::World;

mod support;
use support::{MS, Network, Reply, SECOND};

async fn link(kafka: &Kafka, node: i32, class: TrafficClass) -> Link {
    let deadline = kafka.world().now() + SECOND * 5;
    kafka.cluster().link(NodeId(node), class, deadline).await.unwrap()
}

async fn connect(network: &Network) -> Kafka {
    Kafka::builder().bootstrap("mock-1:9092").world(network.world()).connect().await.unwrap()
}

/// What a driver does: waits for the link or for its next deadline.
async fn event(link: &mut Link, world: &World) -> LinkEvent {
    loop {
        let deadline = link.next_deadline().unwrap_or_else(|| world.now() + SECOND * 3600);
        let sleep = tokio::time::sleep_until(deadline.into());
        tokio::select! {
            biased;
            event = poll_fn(|cx| link.poll_event(cx, world.now())) => return event,
            () = sleep => {}
        }
    }
}

fn describe(link: &mut Link, world: &World) -> (courant_client::Correlation, i16) {
    let version = link.versions().unwrap().version_for::<DescribeClusterRequest>().unwrap();
    let now = world.now();
    (link.send(now, &DescribeClusterRequest::default(), version, now + SECOND * 30).unwrap(), version)
}

#[tokio::test(start_paused = true)]
async fn responses_come_in_the_order_of_their_requests_and_decode() {
    let network = Network::brokers(|asked| {
        let named = DescribeClusterResponse {
            cluster_id: asked.header.correlation_id.to_string().into(),
            ..Default::default()
        };
        matches!(asked.request, AnyRequest::DescribeCluster(_)).then(|| Reply::After(MS * 10, named.into()))
    });
    let kafka = connect(&network).await;
    let world = kafka.world();
    let mut link = link(&kafka, 2, TrafficClass::Produce).await;
    assert_eq!((link.node(), link.address().to_string().as_str()), (NodeId(2), "mock-2:9092"));
    let sent: Vec<_> = (0..5).map(|_| describe(&mut link, world)).collect();
    assert_eq!(link.in_flight(), 5);
    for (correlation, version) in sent {
        let LinkEvent::Response { correlation: answered, body } = event(&mut link, world).await else {
            panic!()
        };
        assert_eq!(answered, correlation);
        let (_, response) = decode_response::<DescribeClusterRequest>(body, version).unwrap();
        assert_eq!(&*response.cluster_id, correlation.0.to_string());
    }
    assert_eq!(link.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_fetch_holds_up_nothing_on_the_other_connections() {
    let network = Network::brokers(|asked| match asked.request {
        AnyRequest::Fetch(_) => Some(Reply::After(SECOND * 20, FetchResponse::default().into())),
        AnyRequest::DescribeCluster(_) => Some(Reply::Now(DescribeClusterResponse::default().into())),
        _ => None,
    });
    let kafka = connect(&network).await;
    let (world, now) = (kafka.world(), kafka.world().now());
    let mut fetches = link(&kafka, 2, TrafficClass::Fetch).await;
    let version = fetches.versions().unwrap().version_for::<FetchRequest>().unwrap();
    fetches.send(now, &FetchRequest::default(), version, now + SECOND * 30).unwrap();
    let mut produce = link(&kafka, 2, TrafficClass::Produce).await;
    describe(&mut produce, world);
    let (fetched, answered) = tokio::join!(
        async {
            let LinkEvent::Response { .. } = event(&mut fetches, world).await else { panic!() };
            world.now() - now
        },
        async {
            let LinkEvent::Response { .. } = event(&mut produce, world).await else { panic!() };
            world.now() - now
        }
    );
    assert_eq!((fetched, answered), (SECOND * 20, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_says_which_requests_had_left_and_the_next_one_waits_a_little() {
    let network = Network::brokers(|asked| {
        matches!(asked.request, AnyRequest::DescribeCluster(_)).then_some(Reply::Cut)
    });
    let kafka = connect(&network).await;
    let world = kafka.world();
    let mut first = link(&kafka, 2, TrafficClass::Produce).await;
    let (left, _) = describe(&mut first, world);
    let LinkEvent::Closed(error) = event(&mut first, world).await else { panic!() };
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Transport, true));
    assert!(first.was_written(left));
    let refused = first.send(world.now(), &DescribeClusterRequest::default(), 0, world.now()).unwrap_err();
    assert!(!refused.possibly_written(), "what was not taken cannot have been written");
    let LinkEvent::Closed(_) = event(&mut first, world).await else { panic!("it stays closed") };

    let start = world.now();
    link(&kafka, 2, TrafficClass::Produce).await;
    let waited = world.now() - start;
    assert!(waited >= MS * 40 && waited <= MS * 61, "reconnect.backoff.ms is 50 ± 20 %, not {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_reports_that_it_was_written() {
    let network = Network::brokers(|asked| {
        matches!(asked.request, AnyRequest::DescribeCluster(_)).then_some(Reply::Never)
    });
    let kafka = connect(&network).await;
    let (world, now) = (kafka.world(), kafka.world().now());
    let mut link = link(&kafka, 2, TrafficClass::Produce).await;
    let sent = link.send_no_response(now, &DescribeClusterRequest::default(), 0, now + SECOND).unwrap();
    let LinkEvent::Written { correlation } = event(&mut link, world).await else { panic!() };
    assert_eq!((correlation, link.in_flight()), (sent, 0));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_runs_out_of_time_closes_with_the_right_deadline() {
    let network = Network::brokers(|asked| {
        matches!(asked.request, AnyRequest::DescribeCluster(_)).then_some(Reply::Never)
    });
    let kafka = connect(&network).await;
    let world = kafka.world();
    let mut link = link(&kafka, 2, TrafficClass::Produce).await;
    let start: Instant = world.now();
    describe(&mut link, world);
    let LinkEvent::Closed(error) = event(&mut link, world).await else { panic!() };
    assert_eq!((error.kind(), error.possibly_written()), (ErrorKind::Timeout, true));
    assert_eq!(world.now() - start, SECOND * 30);
}

#[tokio::test(start_paused = true)]
async fn links_end_with_their_owner() {
    let network = Network::brokers(|_| None);
    let kafka = connect(&network).await;
    tokio::time::sleep(MS).await;
    let before = network.live();
    let links = [link(&kafka, 1, TrafficClass::Produce).await, link(&kafka, 1, TrafficClass::Fetch).await];
    tokio::time::sleep(MS).await;
    assert_eq!((network.live() - before, kafka.cluster().open_connections()), (2, before + 2));
    drop(links);
    tokio::time::sleep(MS).await;
    assert_eq!((network.live(), kafka.cluster().open_connections()), (before, before));
}
