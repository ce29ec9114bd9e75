//! Records that go no further.
use super::Transform;
use crate::{ConnectRecord, Flow, Result};

/// Drops every record; with a predicate, those for which it holds.
#[derive(Clone, Copy, Debug)]
pub struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _record: ConnectRecord) -> Result<Flow<ConnectRecord>> {
        Ok(Flow::Drop)
    }
}
