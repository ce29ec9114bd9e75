//! What the configurations of transforms share.
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Config;

/// The configuration of what can be told nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct NoConfig {}

impl Config for NoConfig {}

/// A default that is true.
pub(super) fn yes() -> bool {
    true
}
