//! How a topic is written.

/// The topic of a sink, and the sink's name. A topic's name alone will do.
#[derive(Clone, Debug)]
pub struct Produced {
    pub(crate) topic: String,
    pub(crate) name: Option<String>,
}

impl Produced {
    /// Names the sink; else it gets a number.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<T: Into<String>> From<T> for Produced {
    fn from(topic: T) -> Self {
        Self { topic: topic.into(), name: None }
    }
}
