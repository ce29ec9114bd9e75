//! ApiVersions (18), versions 0–4: which APIs and features the brokers have (KIP-35, KIP-511, KIP-584).
//!
//! A version that is not served is answered in version 0 with UNSUPPORTED_VERSION and the versions of this API alone.
//! Features are those of a freshly formatted 4.3.1 cluster, though what they stand for is not all served yet.
use courant_protocol::api::{ApiKey, VersionRange};
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use courant_protocol::wire::Str;

use super::call::Call;
use super::dispatch::SERVED;
use crate::cluster::Cluster;

pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 4);

/// Name, least and greatest supported level, finalized level.
// tidy: one table
static FEATURES: &[(&str, i16, i16, Option<i16>)] = &[
    ("eligible.leader.replicas.version", 0, 1, Some(1)),
    ("group.version", 0, 1, Some(1)),
    ("kraft.version", 0, 1, None),
    ("metadata.version", 7, 30, Some(30)),
    ("share.version", 0, 1, Some(1)),
    ("streams.version", 0, 1, Some(1)),
    ("transaction.version", 0, 2, Some(2)),
];

pub(super) fn handle(cluster: &Cluster, call: &Call, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if let Some(error) = call.injected_error() {
        return ApiVersionsResponse {
            error_code: error.0,
            api_keys: announced(cluster),
            ..Default::default()
        };
    }
    if call.version >= 3
        && !(is_valid(&request.client_software_name) && is_valid(&request.client_software_version))
    {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST.0, ..Default::default() };
    }
    // Before version 4 a feature whose least level is 0 could not be told apart from a missing one.
    let shown = FEATURES.iter().filter(|(_, least, ..)| call.version >= 4 || *least > 0);
    ApiVersionsResponse {
        api_keys: announced(cluster),
        supported_features: shown
            .map(|(name, min_version, max_version, _)| SupportedFeatureKey {
                name: Str::from_static(name),
                min_version: *min_version,
                max_version: *max_version,
            })
            .collect(),
        finalized_features_epoch: 1,
        finalized_features: FEATURES
            .iter()
            .filter_map(|(name, _, _, level)| level.map(|level| (*name, level)))
            .map(|(name, level)| FinalizedFeatureKey {
                name: Str::from_static(name),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..Default::default()
    }
}

/// The answer to a version that is not served.
pub(crate) fn refusal(cluster: &Cluster) -> ApiVersionsResponse {
    let own = announced(cluster).into_iter().filter(|api| api.api_key == i16::from(ApiKey::ApiVersions));
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        api_keys: own.collect(),
        ..Default::default()
    }
}

fn announced(cluster: &Cluster) -> Vec<ApiVersion> {
    let range = |api: ApiKey| {
        cluster.versions(api).map(|versions| ApiVersion {
            api_key: i16::from(api),
            min_version: versions.min,
            max_version: versions.max,
        })
    };
    SERVED.iter().filter_map(|(api, _)| range(*api)).collect()
}

/// KIP-511: letters, digits, dashes and dots, none of the latter two at an end.
fn is_valid(software: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    software.bytes().all(inner) && outer(software.bytes().next()) && outer(software.bytes().next_back())
}
