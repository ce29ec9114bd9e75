//! What a broker said it speaks, met with what we speak.
use std::sync::Arc;

use courant_protocol::api::{ApiKey, Request, VersionRange};
use courant_protocol::messages::ApiVersionsResponse;

use crate::error::{Error, ErrorKind};

/// The versions that one broker speaks, as it announced them on this connection (KIP-35).
///
/// They are asked for anew on every connection, because a broker may have been upgraded in between.
#[derive(Clone, Debug)]
pub struct BrokerVersions {
    ranges: Arc<[(i16, VersionRange)]>,
    features: Arc<[(String, i16)]>,
    broker: Arc<str>,
}

impl BrokerVersions {
    pub(crate) fn new(broker: Arc<str>, response: &ApiVersionsResponse) -> Self {
        let range = |api: &courant_protocol::messages::api_versions::ApiVersion| {
            (api.api_key, VersionRange::new(api.min_version, api.max_version))
        };
        let mut ranges: Vec<_> = response.api_keys.iter().map(range).collect();
        ranges.sort_unstable_by_key(|(key, _)| *key);
        let finalized = response.finalized_features.iter();
        let features =
            finalized.map(|feature| (feature.name.to_string(), feature.max_version_level)).collect();
        Self { ranges: ranges.into(), features, broker }
    }

    /// The versions of this API that the broker speaks; none if it does not know it.
    pub fn range(&self, api: ApiKey) -> Option<VersionRange> {
        let index = self.ranges.binary_search_by_key(&i16::from(api), |(key, _)| *key).ok()?;
        self.ranges.get(index).map(|(_, range)| *range)
    }

    /// The highest version of this API that the broker speaks.
    pub fn max(&self, api: ApiKey) -> Option<i16> {
        self.range(api).map(|range| range.max)
    }

    /// The highest version of this request that both sides speak.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedVersion`] if there is none.
    pub fn version_for<R: Request>(&self) -> Result<i16, Error> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// As [`Self::version_for`], but not above `cap`.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedVersion`] if there is none.
    pub fn version_up_to<R: Request>(&self, cap: i16) -> Result<i16, Error> {
        let theirs = self.range(R::KEY);
        let ours = VersionRange::new(R::VERSIONS.min, R::VERSIONS.max.min(cap));
        let both = theirs.and_then(|theirs| ours.intersection(theirs));
        both.map(|range| range.max).ok_or_else(|| self.unsupported(R::KEY, theirs, ours))
    }

    /// The finalized level of a cluster feature (KIP-584), `transaction.version` for one; 0 if it is off.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.iter().find(|(feature, _)| feature == name).map_or(0, |(_, level)| *level)
    }

    fn unsupported(&self, api: ApiKey, theirs: Option<VersionRange>, ours: VersionRange) -> Error {
        let theirs = match theirs {
            Some(range) => format!("the broker speaks {range}"),
            None => "the broker does not know it".to_owned(),
        };
        Error::new(
            ErrorKind::UnsupportedVersion,
            format!("no version of {api} in common: {theirs}, this client {ours}"),
        )
        .at_broker(&self.broker)
    }
}
