//! Calls: each must end or be dropped.
use super::History;

/// A call under way.
#[derive(Debug)]
#[must_use = "say how the call ended"]
pub struct Call {
    pub(super) history: History,
    pub(super) key: (u64, String),
}

impl Call {
    /// The call's future was ready.
    pub fn ended(self) {}
}

impl Drop for Call {
    fn drop(&mut self) {
        self.history.close(&self.key);
    }
}
