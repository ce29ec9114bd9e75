//! The task that asks for metadata when the machine says so, and publishes the answers.
use std::sync::Arc;

use courant_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use courant_runtime::watch;

use super::machine::{MetadataEvent, Question};
use super::shared::{Shared, unknown_broker};
use crate::connection::{Peer, Phase, TrafficClass};
use crate::error::Error;
use crate::log::TARGET;

/// Runs until the client is closed or dropped.
pub(super) async fn run(shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) {
    let mut timer = shared.world.sleep_until(shared.world.now());
    loop {
        let now = shared.world.now();
        let (question, due) = {
            let mut machine = shared.machine();
            (machine.poll_question(now), machine.next_timeout(now))
        };
        let closing = async {
            // A phase whose sender is gone is a client that was dropped.
            let _gone = phase.wait_for(|phase| *phase != Phase::Open).await;
        };
        if let Some(question) = question {
            tokio::select! {
                biased;
                () = closing => return,
                answer = ask(&shared, &question) => handle(&shared, question.peer, answer),
            }
            continue;
        }
        let far = now + shared.settings.metadata_max_age;
        timer.reset(due.unwrap_or(far));
        tokio::select! {
            biased;
            () = closing => return,
            () = shared.wake.notified() => {}
            () = &mut timer => {}
        }
    }
}

async fn ask(shared: &Arc<Shared>, question: &Question) -> Result<MetadataResponse, Error> {
    let address = shared.address_of(question.peer).ok_or_else(|| unknown_broker(question.peer))?;
    let settings = &shared.settings;
    let now = shared.world.now();
    let deadline = now + settings.connection_setup_timeout.max + settings.request_timeout;
    let class = TrafficClass::General;
    let connection = shared.connections.shared(question.peer, address, class, deadline).await?;
    let version = connection.versions().version_for::<MetadataRequest>()?;
    let request = question.request(version);
    let timeout = settings.request_timeout;
    let answer =
        connection.call(&shared.world, &request, version, timeout, shared.world.now() + timeout).await;
    answer.map_err(|unanswered| unanswered.error)
}

fn handle(shared: &Shared, peer: Peer, answer: Result<MetadataResponse, Error>) {
    let now = shared.world.now();
    let events = {
        let mut machine = shared.machine();
        let events = match answer {
            Ok(answer) => machine.handle_answer(now, peer, &answer),
            Err(error) => {
                machine.handle_failure(now, peer, error.clone());
                Err(error)
            }
        };
        shared.publish(&machine);
        events
    };
    match events {
        Ok(events) => events.iter().for_each(tell),
        Err(error) => {
            if let Some(unsaid) = shared.repeats().allow(now) {
                tracing::warn!(target: TARGET, unsaid, "metadata cannot be brought up to date: {error}");
            }
        }
    }
}

fn tell(event: &MetadataEvent) {
    match event {
        MetadataEvent::TopicRecreated { name, old, new } => {
            tracing::warn!(target: TARGET, topic = %name, %old, %new, "the topic was deleted and created again");
        }
        MetadataEvent::PartitionsAdded { name, from, to } => {
            tracing::info!(target: TARGET, topic = %name, from, to, "the topic has more partitions");
        }
    }
}
