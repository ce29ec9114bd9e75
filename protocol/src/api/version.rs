//! Ranges of message versions, and which header goes with which version.
use std::fmt;

use super::ApiKey;
use crate::wire::DecodeErrorKind;

/// The versions of a message from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionRange {
    /// The lowest version.
    pub min: i16,
    /// The highest version.
    pub max: i16,
}

impl VersionRange {
    /// No version: what can be asked for of an API that Kafka has given up.
    pub const NONE: Self = Self { min: 0, max: -1 };

    /// A range from `min` to `max`.
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// Whether `version` is in the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// The versions in both ranges; `None` if there are none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self { min: self.min.max(other.min), max: self.max.min(other.max) };
        (both.min <= both.max).then_some(both)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl ApiKey {
    /// The version of the header of a request: 2 where the message is flexible (KIP-482), else 1; only the
    /// oldest ControlledShutdown has 0.
    pub fn request_header_version(self, version: i16) -> i16 {
        match self.first_flexible_version() {
            Some(first) if version >= first => 2,
            _ if self == Self::ControlledShutdown && version == 0 => 0,
            _ => 1,
        }
    }

    /// The version of the header of a response: 1 where the message is flexible, else 0.
    ///
    /// ApiVersions always has 0: the client cannot know yet what the broker speaks (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        match self.first_flexible_version() {
            Some(first) if version >= first && self != Self::ApiVersions => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<ApiKey> for i16 {
    fn from(key: ApiKey) -> Self {
        key as Self
    }
}

/// Fails for a key that our tables do not know.
impl TryFrom<i16> for ApiKey {
    type Error = DecodeErrorKind;
    fn try_from(key: i16) -> Result<Self, Self::Error> {
        let place = usize::try_from(key).ok();
        let found = place.and_then(|place| Self::ALL.get(place)).filter(|found| i16::from(**found) == key);
        found.copied().ok_or(DecodeErrorKind::UnknownApi(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_number() {
        for key in ApiKey::ALL {
            assert_eq!(ApiKey::try_from(i16::from(*key)), Ok(*key));
        }
        assert_eq!(ApiKey::try_from(-1), Err(DecodeErrorKind::UnknownApi(-1)));
        assert_eq!(ApiKey::try_from(1_000), Err(DecodeErrorKind::UnknownApi(1_000)));
    }

    #[test]
    fn header_versions_follow_flexibility_except_for_api_versions() {
        assert_eq!(ApiKey::Produce.request_header_version(8), 1);
        assert_eq!(ApiKey::Produce.request_header_version(9), 2);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(0), 0);
    }

    #[test]
    fn ranges_meet_or_do_not() {
        let ours = VersionRange::new(3, 13);
        assert_eq!(ours.intersection(VersionRange::new(0, 9)), Some(VersionRange::new(3, 9)));
        assert_eq!(ours.intersection(VersionRange::new(0, 2)), None);
        assert!(ours.contains(3) && ours.contains(13) && !ours.contains(14));
    }
}
