//! A state store: its name, its codecs and its changelog.
use std::collections::BTreeMap;
use std::time::Duration;

use courant_client::codec::Codec;

use crate::codecs::Codecs;
use crate::topology::{Graph, StoreKind, StoreSpec};
use crate::windows::TimeWindows;

/// What an aggregate or a table is kept in (Java's `Materialized`).
///
/// ```
/// use courant_streams::Store;
/// use courant_streams::codec::{I64Be, Utf8};
///
/// let counts: Store<String, i64> = Store::named("counts", (Utf8, I64Be)).changelog("segment.ms", "600000");
/// # drop(counts);
/// ```
pub struct Store<K, V> {
    pub(crate) name: Option<String>,
    pub(crate) codecs: Codecs<K, V>,
    burns_a_number: bool,
    retention: Option<Duration>,
    logging: Option<BTreeMap<String, String>>,
}

impl<K: 'static, V: 'static> Store<K, V> {
    /// A store by name. Its changelog is `<application id>-<name>-changelog`.
    pub fn named(name: impl Into<String>, codecs: (impl Codec<K>, impl Codec<V>)) -> Self {
        Self { name: Some(name.into()), ..Self::numbered(codecs) }
    }

    /// A store with a number for a name, as Java gives it where none is named. The name of its changelog changes when an
    /// operator is put in before it.
    pub fn numbered(codecs: (impl Codec<K>, impl Codec<V>)) -> Self {
        let codecs = Codecs::new(codecs);
        Self { name: None, codecs, burns_a_number: false, retention: None, logging: Some(BTreeMap::new()) }
    }

    /// A store without a name that takes the numbers of Java's `Materialized.with(…)`: some operators take one more than
    /// without a `Materialized`.
    pub fn materialized(codecs: (impl Codec<K>, impl Codec<V>)) -> Self {
        Self { burns_a_number: true, ..Self::numbered(codecs) }
    }

    /// How long a window store keeps a window; else for its size and grace, which is the least.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Sets a property of the changelog topic.
    #[must_use]
    pub fn changelog(mut self, property: impl Into<String>, value: impl Into<String>) -> Self {
        self.logging.get_or_insert_default().insert(property.into(), value.into());
        self
    }

    /// Keeps no changelog: what is in the store is lost when its task moves or its process ends.
    #[must_use]
    pub fn without_changelog(mut self) -> Self {
        self.logging = None;
        self
    }

    /// Whether the store was given no name by its user, yet a `Materialized`.
    pub(crate) fn burns_a_number(&self) -> bool {
        self.burns_a_number && self.name.is_none()
    }

    /// Its name: the given one, or one with the next number.
    pub(crate) fn resolve_name(&self, graph: &mut Graph, prefix: &str) -> String {
        match &self.name {
            Some(name) => {
                graph.check_name(name);
                name.clone()
            }
            None => graph.names.store(prefix),
        }
    }

    /// The store as a key-value store.
    pub(crate) fn key_value(&self, name: String) -> StoreSpec {
        StoreSpec { name, kind: StoreKind::KeyValue, logging: self.logging.clone() }
    }

    /// The store as a window store, and how long it must keep a window if it keeps it for too short.
    pub(crate) fn window(&self, name: String, windows: &TimeWindows) -> (StoreSpec, Option<i64>) {
        let needed_ms = windows.size_ms().saturating_add(windows.grace_ms());
        let retention_ms = self.retention.map_or(needed_ms, crate::windows::millis);
        let kind = StoreKind::Window { size_ms: windows.size_ms(), retention_ms };
        let spec = StoreSpec { name, kind, logging: self.logging.clone() };
        (spec, (retention_ms < needed_ms).then_some(needed_ms))
    }
}
