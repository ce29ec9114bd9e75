//! What we write we read back, for every message in every version.
use courant_protocol::api::ApiKey;
use courant_protocol::messages::{AnyRequest, AnyResponse};
use courant_protocol::wire::{Reader, Writer};
use proptest::prelude::*;

use crate::build::Source;
use crate::builders;

/// Both messages of one API in one version, made of `bytes`.
fn round_trip(key: ApiKey, version: i16, bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut source = Source(bytes);
    let request = builders::request_random(key, &mut source, version).expect("a known key");
    let mut writer = Writer::new();
    prop_assert_eq!(request.encode(&mut writer, version), Ok(()));
    let mut reader = Reader::new(writer.finish().into_bytes());
    prop_assert_eq!(AnyRequest::decode(key, version, &mut reader), Ok(request));
    prop_assert_eq!(reader.remaining(), 0);

    let response = builders::response_random(key, &mut source, version).expect("a known key");
    let mut writer = Writer::new();
    prop_assert_eq!(response.encode(&mut writer, version), Ok(()));
    let mut reader = Reader::new(writer.finish().into_bytes());
    prop_assert_eq!(AnyResponse::decode(key, version, &mut reader), Ok(response));
    prop_assert_eq!(reader.remaining(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_read_as_it_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for key in ApiKey::ALL {
            let versions = key.known_versions();
            for version in versions.min..=versions.max {
                round_trip(*key, version, &bytes)
                    .map_err(|error| TestCaseError::fail(format!("{key} v{version}: {error}")))?;
            }
        }
    }
}
