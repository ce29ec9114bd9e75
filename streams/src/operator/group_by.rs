//! `group_by`: groups a stream by a new key; its records pass a repartition topic.
//!
//! ```
//! use courant_streams::codec::{I64Be, Utf8};
//! use courant_streams::{Store, StreamsBuilder, TestDriver};
//!
//! let builder = StreamsBuilder::new();
//! let words = builder.stream::<String, String>("words", (Utf8, Utf8));
//! let counts = words.group_by("by-word", (Utf8, Utf8), |_, word| word.clone());
//! counts.count(Store::named("counts", (Utf8, I64Be))).to_stream().to("counts", (Utf8, I64Be));
//!
//! let mut driver = TestDriver::new(builder.build()?)?;
//! let (words, counts) = (driver.input("words", (Utf8, Utf8)), driver.output("counts", (Utf8, I64Be)));
//! driver.send(&words, "line 1", "be", 0)?;
//! driver.send(&words, "line 2", "be", 1)?;
//! assert_eq!(driver.drain_latest(&counts)?, [("be".to_owned(), 2)].into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::marker::PhantomData;

use courant_client::codec::Codec;

use super::select_key::{PREFIX, select_key};
use crate::codecs::Codecs;
use crate::dsl::{Grouped, KGroupedStream, KStream};

impl<K: Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Groups the records by the key that the selector finds. A record without a value is left out.
    ///
    /// A record goes through a repartition topic to where its new key belongs: `<application id>-<name>-repartition`, or
    /// called after the store if the grouping has no name. The codecs are those of the topic.
    pub fn group_by<K2: Send + 'static>(
        self,
        grouped: impl Into<Grouped>,
        codecs: (impl Codec<K2>, impl Codec<V>),
        selector: impl Fn(Option<&K>, &V) -> K2 + Send + Sync + 'static,
    ) -> KGroupedStream<K2, V> {
        let name = grouped.into().name;
        let mut stream: KStream<K2, V> = self.then_keys(PREFIX, select_key(selector));
        if let Some(name) = &name {
            stream = stream.named(name);
        }
        KGroupedStream {
            graph: stream.graph,
            node: stream.node,
            sources: stream.sources,
            repartition_required: true,
            name,
            codecs: Some(Codecs::new(codecs)),
            repartition: Default::default(),
            types: PhantomData,
        }
    }
}
