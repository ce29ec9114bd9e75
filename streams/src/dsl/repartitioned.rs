//! A repartition topic of the user's choice.

/// The name and the partition count of a repartition topic.
#[derive(Clone, Debug, Default)]
pub struct Repartitioned {
    pub(crate) name: Option<String>,
    pub(crate) partitions: Option<i32>,
}

impl Repartitioned {
    /// A topic `<application id>-<name>-repartition`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), partitions: None }
    }

    /// A topic with a number for a name.
    pub fn numbered() -> Self {
        Self::default()
    }

    /// How many partitions it has; else as many as the topics before it.
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }
}

impl From<&str> for Repartitioned {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}
