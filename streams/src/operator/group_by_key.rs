//! `group_by_key`: groups a stream by the keys that it has.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let visits = builder.stream::<String, String>("visits", (Utf8, Utf8)).group_by_key();
//! visits.count(Store::named("per-page", (Utf8, I64Be))).to_stream().to("counts", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (visits, counts) = (driver.input("visits", (Utf8, Utf8)), driver.output("counts", (Utf8, I64Be)));
//! driver.send(&visits, "home", "Ada", 0)?;
//! driver.send(&visits, "home", "Bob", 1)?;
//! assert_eq!(driver.drain_latest(&counts)?, [("home".to_owned(), 2)].into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::marker::PhantomData;

use crate::dsl::{Grouped, KGroupedStream, KStream};

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Groups the records by their keys.
    ///
    /// If an operator before changed them, they pass a repartition topic, whose codecs [`KStream::with_codecs`] names.
    pub fn group_by_key(self) -> KGroupedStream<K, V> {
        self.group_by_key_as(Grouped::numbered())
    }

    /// The same as [`KStream::group_by_key`], with a name for the repartition topic that may be needed.
    pub fn group_by_key_as(self, grouped: impl Into<Grouped>) -> KGroupedStream<K, V> {
        let name = grouped.into().name;
        if let Some(name) = &name {
            self.graph.lock().check_name(name);
        }
        KGroupedStream {
            codecs: self.codecs(),
            graph: self.graph,
            node: self.node,
            sources: self.sources,
            repartition_required: self.repartition_required,
            name,
            repartition: Default::default(),
            types: PhantomData,
        }
    }
}
