//! The error codes that brokers answer with, in one table.
use std::fmt;

/// A broker's error code, as it stands on the wire; every known one has a constant of Kafka's name.
///
/// The code says what went wrong; what to do about it belongs to the API that was called. A group's
/// `REBALANCE_IN_PROGRESS` asks for a new join, not for the same request again, and a producer takes
/// `DUPLICATE_SEQUENCE_NUMBER` for success.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// What Java's exception class behind a code says about trying again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The same request would fail again.
    Stop,
    /// The same request may succeed later (`RetriableException`).
    Retry,
    /// The same request may succeed with fresh metadata (`InvalidMetadataException`).
    RefreshMetadata,
    /// The same request may succeed at another coordinator (`RefreshRetriableException`, KIP-1050).
    RefreshCoordinator,
}

/// Declares the constants and the table that the methods look things up in.
macro_rules! error_codes {
    ($($code:literal, $name:ident, $class:ident;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", $code, ".")]
                pub const $name: Self = Self($code);
            )*

            /// Every known code, in order, from -1 without a gap.
            pub const ALL: &[Self] = &[$(Self($code)),*];
        }

        const NAMES: &[(&str, Class)] = &[$((stringify!($name), Class::$class)),*];
    };
}

impl ErrorCode {
    /// Kafka's name, such as `NOT_LEADER_OR_FOLLOWER`; `None` for a code that is newer than our table.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(name, _)| *name)
    }

    /// Whether this is [`Self::NONE`], which means success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether this is any code but [`Self::NONE`].
    pub const fn is_err(self) -> bool {
        self.0 != 0
    }

    /// `Ok` for [`Self::NONE`], the code itself otherwise.
    ///
    /// # Errors
    /// Every code but 0.
    pub const fn into_result(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        !matches!(self.class(), Class::Stop)
    }

    /// Whether the metadata behind the request is out of date; such a code is also retriable.
    pub fn refreshes_metadata(self) -> bool {
        self.class() == Class::RefreshMetadata
    }

    /// Whether the coordinator must be looked up again; such a code is also retriable.
    pub fn refreshes_coordinator(self) -> bool {
        self.class() == Class::RefreshCoordinator
    }

    fn class(self) -> Class {
        self.row().map_or(Class::Stop, |(_, class)| *class)
    }

    /// The table starts at -1.
    fn row(self) -> Option<&'static (&'static str, Class)> {
        usize::try_from(i32::from(self.0) + 1).ok().and_then(|place| NAMES.get(place))
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> Self {
        code.0
    }
}

impl PartialEq<i16> for ErrorCode {
    fn eq(&self, other: &i16) -> bool {
        self.0 == *other
    }
}

/// The name and the code, `UNKNOWN_TOPIC_ID (100)`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

error_codes! {
    -1, UNKNOWN_SERVER_ERROR, Stop;
    0, NONE, Stop;
    1, OFFSET_OUT_OF_RANGE, Stop;
    2, CORRUPT_MESSAGE, Retry;
    3, UNKNOWN_TOPIC_OR_PARTITION, RefreshMetadata;
    4, INVALID_FETCH_SIZE, Stop;
    5, LEADER_NOT_AVAILABLE, RefreshMetadata;
    6, NOT_LEADER_OR_FOLLOWER, RefreshMetadata;
    7, REQUEST_TIMED_OUT, Retry;
    8, BROKER_NOT_AVAILABLE, Stop;
    9, REPLICA_NOT_AVAILABLE, RefreshMetadata;
    10, MESSAGE_TOO_LARGE, Stop;
    11, STALE_CONTROLLER_EPOCH, Stop;
    12, OFFSET_METADATA_TOO_LARGE, Stop;
    13, NETWORK_EXCEPTION, RefreshMetadata;
    14, COORDINATOR_LOAD_IN_PROGRESS, Retry;
    15, COORDINATOR_NOT_AVAILABLE, RefreshCoordinator;
    16, NOT_COORDINATOR, RefreshCoordinator;
    17, INVALID_TOPIC_EXCEPTION, Stop;
    18, RECORD_LIST_TOO_LARGE, Stop;
    19, NOT_ENOUGH_REPLICAS, Retry;
    20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, Retry;
    21, INVALID_REQUIRED_ACKS, Stop;
    22, ILLEGAL_GENERATION, Stop;
    23, INCONSISTENT_GROUP_PROTOCOL, Stop;
    24, INVALID_GROUP_ID, Stop;
    25, UNKNOWN_MEMBER_ID, Stop;
    26, INVALID_SESSION_TIMEOUT, Stop;
    27, REBALANCE_IN_PROGRESS, Stop;
    28, INVALID_COMMIT_OFFSET_SIZE, Stop;
    29, TOPIC_AUTHORIZATION_FAILED, Stop;
    30, GROUP_AUTHORIZATION_FAILED, Stop;
    31, CLUSTER_AUTHORIZATION_FAILED, Stop;
    32, INVALID_TIMESTAMP, Stop;
    33, UNSUPPORTED_SASL_MECHANISM, Stop;
    34, ILLEGAL_SASL_STATE, Stop;
    35, UNSUPPORTED_VERSION, Stop;
    36, TOPIC_ALREADY_EXISTS, Stop;
    37, INVALID_PARTITIONS, Stop;
    38, INVALID_REPLICATION_FACTOR, Stop;
    39, INVALID_REPLICA_ASSIGNMENT, Stop;
    40, INVALID_CONFIG, Stop;
    41, NOT_CONTROLLER, Retry;
    42, INVALID_REQUEST, Stop;
    43, UNSUPPORTED_FOR_MESSAGE_FORMAT, Stop;
    44, POLICY_VIOLATION, Stop;
    45, OUT_OF_ORDER_SEQUENCE_NUMBER, Stop;
    46, DUPLICATE_SEQUENCE_NUMBER, Stop;
    47, INVALID_PRODUCER_EPOCH, Stop;
    48, INVALID_TXN_STATE, Stop;
    49, INVALID_PRODUCER_ID_MAPPING, Stop;
    50, INVALID_TRANSACTION_TIMEOUT, Stop;
    51, CONCURRENT_TRANSACTIONS, Retry;
    52, TRANSACTION_COORDINATOR_FENCED, Stop;
    53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Stop;
    54, SECURITY_DISABLED, Stop;
    55, OPERATION_NOT_ATTEMPTED, Stop;
    56, KAFKA_STORAGE_ERROR, RefreshMetadata;
    57, LOG_DIR_NOT_FOUND, Stop;
    58, SASL_AUTHENTICATION_FAILED, Stop;
    59, UNKNOWN_PRODUCER_ID, Stop;
    60, REASSIGNMENT_IN_PROGRESS, Stop;
    61, DELEGATION_TOKEN_AUTH_DISABLED, Stop;
    62, DELEGATION_TOKEN_NOT_FOUND, Stop;
    63, DELEGATION_TOKEN_OWNER_MISMATCH, Stop;
    64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, Stop;
    65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, Stop;
    66, DELEGATION_TOKEN_EXPIRED, Stop;
    67, INVALID_PRINCIPAL_TYPE, Stop;
    68, NON_EMPTY_GROUP, Stop;
    69, GROUP_ID_NOT_FOUND, Stop;
    70, FETCH_SESSION_ID_NOT_FOUND, Retry;
    71, INVALID_FETCH_SESSION_EPOCH, Retry;
    72, LISTENER_NOT_FOUND, RefreshMetadata;
    73, TOPIC_DELETION_DISABLED, Stop;
    74, FENCED_LEADER_EPOCH, RefreshMetadata;
    75, UNKNOWN_LEADER_EPOCH, Retry;
    76, UNSUPPORTED_COMPRESSION_TYPE, Stop;
    77, STALE_BROKER_EPOCH, Stop;
    78, OFFSET_NOT_AVAILABLE, Retry;
    79, MEMBER_ID_REQUIRED, Stop;
    80, PREFERRED_LEADER_NOT_AVAILABLE, RefreshMetadata;
    81, GROUP_MAX_SIZE_REACHED, Stop;
    82, FENCED_INSTANCE_ID, Stop;
    83, ELIGIBLE_LEADERS_NOT_AVAILABLE, RefreshMetadata;
    84, ELECTION_NOT_NEEDED, RefreshMetadata;
    85, NO_REASSIGNMENT_IN_PROGRESS, Stop;
    86, GROUP_SUBSCRIBED_TO_TOPIC, Stop;
    87, INVALID_RECORD, Stop;
    88, UNSTABLE_OFFSET_COMMIT, Retry;
    89, THROTTLING_QUOTA_EXCEEDED, Retry;
    90, PRODUCER_FENCED, Stop;
    91, RESOURCE_NOT_FOUND, Stop;
    92, DUPLICATE_RESOURCE, Stop;
    93, UNACCEPTABLE_CREDENTIAL, Stop;
    94, INCONSISTENT_VOTER_SET, Stop;
    95, INVALID_UPDATE_VERSION, Stop;
    96, FEATURE_UPDATE_FAILED, Stop;
    97, PRINCIPAL_DESERIALIZATION_FAILURE, Stop;
    98, SNAPSHOT_NOT_FOUND, Stop;
    99, POSITION_OUT_OF_RANGE, Stop;
    100, UNKNOWN_TOPIC_ID, RefreshMetadata;
    101, DUPLICATE_BROKER_REGISTRATION, Stop;
    102, BROKER_ID_NOT_REGISTERED, Stop;
    103, INCONSISTENT_TOPIC_ID, RefreshMetadata;
    104, INCONSISTENT_CLUSTER_ID, Stop;
    105, TRANSACTIONAL_ID_NOT_FOUND, Stop;
    106, FETCH_SESSION_TOPIC_ID_ERROR, Retry;
    107, INELIGIBLE_REPLICA, Stop;
    108, NEW_LEADER_ELECTED, Stop;
    109, OFFSET_MOVED_TO_TIERED_STORAGE, Stop;
    110, FENCED_MEMBER_EPOCH, Stop;
    111, UNRELEASED_INSTANCE_ID, Stop;
    112, UNSUPPORTED_ASSIGNOR, Stop;
    113, STALE_MEMBER_EPOCH, Stop;
    114, MISMATCHED_ENDPOINT_TYPE, Stop;
    115, UNSUPPORTED_ENDPOINT_TYPE, Stop;
    116, UNKNOWN_CONTROLLER_ID, Stop;
    117, UNKNOWN_SUBSCRIPTION_ID, Stop;
    118, TELEMETRY_TOO_LARGE, Stop;
    119, INVALID_REGISTRATION, Stop;
    120, TRANSACTION_ABORTABLE, Stop;
    121, INVALID_RECORD_STATE, Stop;
    122, SHARE_SESSION_NOT_FOUND, Retry;
    123, INVALID_SHARE_SESSION_EPOCH, Retry;
    124, FENCED_STATE_EPOCH, Stop;
    125, INVALID_VOTER_KEY, Stop;
    126, DUPLICATE_VOTER, Stop;
    127, VOTER_NOT_FOUND, Stop;
    128, INVALID_REGULAR_EXPRESSION, Stop;
    129, REBOOTSTRAP_REQUIRED, Stop;
    130, STREAMS_INVALID_TOPOLOGY, Stop;
    131, STREAMS_INVALID_TOPOLOGY_EPOCH, Stop;
    132, STREAMS_TOPOLOGY_FENCED, Stop;
    133, SHARE_SESSION_LIMIT_REACHED, Retry;
    134, GROUP_DELETION_FAILED, Stop;
    135, STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED, Stop;
    136, CONTROLLER_ID_NOT_REGISTERED, Stop;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_gap_and_no_twin() {
        let codes: Vec<i16> = ErrorCode::ALL.iter().map(|code| code.0).collect();
        assert_eq!(codes, (-1..=136).collect::<Vec<i16>>());
        assert_eq!(ErrorCode::UNKNOWN_SERVER_ERROR.name(), Some("UNKNOWN_SERVER_ERROR"));
        assert_eq!(ErrorCode::NONE.name(), Some("NONE"));
        assert_eq!(ErrorCode(136).name(), Some("CONTROLLER_ID_NOT_REGISTERED"));
        assert_eq!(ErrorCode(137).name(), None);
        assert_eq!(ErrorCode(i16::MIN).name(), None);
    }

    #[test]
    fn retriable_codes_are_those_of_java() {
        let retriable = ErrorCode::ALL.iter().filter(|code| code.is_retriable()).map(|code| code.0);
        let expected = [
            2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89,
            100, 103, 106, 122, 123, 133,
        ];
        assert_eq!(retriable.collect::<Vec<i16>>(), expected);
    }

    #[test]
    fn stale_metadata_and_a_moved_coordinator_are_told_apart() {
        let refreshing = ErrorCode::ALL.iter().filter(|code| code.refreshes_metadata()).map(|code| code.0);
        assert_eq!(refreshing.collect::<Vec<i16>>(), [3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103]);
        assert!(ErrorCode::NOT_COORDINATOR.refreshes_coordinator());
        assert!(ErrorCode::COORDINATOR_NOT_AVAILABLE.refreshes_coordinator());
        assert!(!ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.refreshes_coordinator());
    }

    #[test]
    fn a_code_prints_with_its_name() {
        assert_eq!(ErrorCode::NOT_LEADER_OR_FOLLOWER.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
        assert_eq!(ErrorCode(999).to_string(), "error code 999");
    }
}
