//! DeleteTopics (20), versions 1–6: by name, and by id from 6 (KIP-516).
//!
//! A topic is gone when the answer goes out, its records and committed offsets with it.
use courant_protocol::api::VersionRange;
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use courant_protocol::types::TopicId;
use courant_protocol::wire::Str;

use super::call::Call;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(1, 6);

pub(super) fn handle(
    cluster: &mut Cluster,
    call: &Call,
    request: &DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), TopicId::ZERO));
    let listed =
        request.topics.iter().map(|DeleteTopicState { name, topic_id, .. }| (name.clone(), *topic_id));
    let responses = by_name.chain(listed).map(|(name, id)| delete(cluster, call, name, id)).collect();
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn delete(cluster: &mut Cluster, call: &Call, name: Option<Str>, id: TopicId) -> DeletableTopicResult {
    let refused = |name: Option<Str>, error: ErrorCode, message: &str| DeletableTopicResult {
        name,
        topic_id: id,
        error_code: error.0,
        error_message: Some(Str::from(message)),
    };
    if name.is_some() && !id.is_zero() {
        return refused(name, ErrorCode::INVALID_REQUEST, "A topic is named by name or by id, not by both.");
    }
    if !cluster.config.is_on("delete.topic.enable") {
        return refused(name, ErrorCode::TOPIC_DELETION_DISABLED, "delete.topic.enable is off.");
    }
    let found = match &name {
        Some(name) => cluster.topic(name),
        None => cluster.topic_by_id(id),
    };
    let Some(topic) = found.map(|topic| topic.name.clone()) else {
        let by_name = name.is_some();
        let error = if by_name { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::UNKNOWN_TOPIC_ID };
        return refused(name, error, "There is no such topic.");
    };
    if let Some(error) = call.injected(&topic, -1) {
        return refused(Some(topic), error, "injected");
    }
    let topic_id = cluster.delete_topic(&topic).unwrap_or_default();
    DeletableTopicResult { name: Some(topic), topic_id, error_code: 0, error_message: None }
}
