//! Schemas that were written or read before: topics repeat one schema in every record.
use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Options, schema_read, schema_write};
use crate::data::{DataError, Schema};

/// What was asked for last, and everything that is remembered.
type Known<K, V> = (Option<(K, V)>, HashMap<K, V>);

/// The texts of schemas.
///
/// A schema that is the very one of the record before is found by its address; another one by its value, which costs a
/// hash of all of it, documentation included: all of it stands in the text.
pub(super) struct SchemaTexts {
    size: usize,
    known: Mutex<Known<Arc<Schema>, Bytes>>,
}

impl SchemaTexts {
    pub(super) fn new(size: usize) -> Self {
        Self { size, known: Mutex::default() }
    }

    pub(super) fn text(&self, schema: &Arc<Schema>, options: &Options) -> Result<Bytes, DataError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, by_value) = &mut *known;
        if let Some((same, text)) = last
            && Arc::ptr_eq(same, schema)
        {
            return Ok(text.clone());
        }
        let text = match by_value.get(schema) {
            Some(text) => text.clone(),
            None => {
                let mut out = BytesMut::new();
                schema_write::schema(schema, None, options, &mut out)?;
                remember(by_value, self.size, Arc::clone(schema), out.freeze())
            }
        };
        *last = Some((Arc::clone(schema), text.clone()));
        Ok(text)
    }
}

/// The schemas of texts.
pub(super) struct SchemasRead {
    size: usize,
    known: Mutex<Known<Json, Arc<Schema>>>,
}

impl SchemasRead {
    pub(super) fn new(size: usize) -> Self {
        Self { size, known: Mutex::default() }
    }

    pub(super) fn schema(&self, json: Json, options: &Options) -> Result<Option<Arc<Schema>>, DataError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, by_value) = &mut *known;
        if let Some((same, schema)) = last
            && *same == json
        {
            return Ok(Some(Arc::clone(schema)));
        }
        let schema = match by_value.get(&json) {
            Some(schema) => Arc::clone(schema),
            None => match schema_read::schema(&json, options).map_err(|error| error.within("schema"))? {
                None => return Ok(None),
                Some(schema) => remember(by_value, self.size, json.clone(), schema),
            },
        };
        *last = Some((json, Arc::clone(&schema)));
        Ok(Some(schema))
    }
}

/// A full memory is emptied: where schemas keep changing, none of them is worth keeping.
fn remember<K: std::hash::Hash + Eq, V: Clone>(
    known: &mut HashMap<K, V>,
    size: usize,
    key: K,
    value: V,
) -> V {
    if known.len() >= size {
        known.clear();
    }
    if size > 0 {
        known.insert(key, value.clone());
    }
    value
}
