//! The typed configuration of a connector.
use std::future::Future;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// A connector's configuration: a struct that serde reads and schemars describes.
///
/// Properties arrive as text and are read by the fields' types; a field's doc comment is what users see of it. What one
/// field's type cannot say, [`Config::check`] does.
///
/// ```
/// use courant_connect::Config;
/// use serde::Deserialize;
///
/// /// Where the words come from.
/// #[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
/// #[serde(rename_all = "kebab-case")]
/// struct Words {
///     /// The topic that the words go to.
///     topic: String,
///     /// How many words a batch has.
///     #[serde(default)]
///     batch_size: Option<u32>,
/// }
///
/// impl Config for Words {
///     async fn check(&self) -> Vec<(String, String)> {
///         match self.batch_size {
///             Some(0) => vec![("batch-size".into(), "must be at least 1".into())],
///             _ => Vec::new(),
///         }
///     }
/// }
/// ```
pub trait Config: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// Rules across fields, and a look at the outside world: may the file be read, does the table exist. Each pair is the
    /// name of a property and what is wrong with it. It is called before anything is started, and must not change anything.
    fn check(&self) -> impl Future<Output = Vec<(String, String)>> + Send {
        async { Vec::new() }
    }
}
