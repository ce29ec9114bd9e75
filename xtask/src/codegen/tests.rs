//! Writes what only tests need.
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use super::schema::Api;

/// The files, by their path in `protocol`.
pub(crate) fn files(_apis: &[Api]) -> Result<BTreeMap<PathBuf, String>> {
    Ok(BTreeMap::new())
}
