//! What became of each item of a call.
use std::borrow::Borrow;

use crate::error::Error;

/// The result of each item, in the order in which they were asked for.
///
/// Go through it, look one up with [`Results::get`], or take [`Results::all`] where any failure is one too many.
#[derive(Clone, Debug)]
#[must_use = "each item has a result of its own"]
pub struct Results<K, V>(Vec<(K, Result<V, Error>)>);

impl<K, V> Results<K, V> {
    pub(crate) fn new(results: Vec<(K, Result<V, Error>)>) -> Self {
        Self(results)
    }

    /// All values, or the first error.
    ///
    /// # Errors
    /// The first item's that failed.
    pub fn all(self) -> Result<Vec<(K, V)>, Error> {
        self.0.into_iter().map(|(key, result)| result.map(|value| (key, value))).collect()
    }

    /// Goes through the results.
    pub fn iter(&self) -> std::slice::Iter<'_, (K, Result<V, Error>)> {
        self.0.iter()
    }

    /// How many items there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The result of one item.
    pub fn get<Q: ?Sized + Eq>(&self, key: &Q) -> Option<&Result<V, Error>>
    where
        K: Borrow<Q>,
    {
        self.0.iter().find(|(at, _)| at.borrow() == key).map(|(_, result)| result)
    }
}

impl<K, V> IntoIterator for Results<K, V> {
    type Item = (K, Result<V, Error>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Results<K, V> {
    type Item = &'a (K, Result<V, Error>);
    type IntoIter = std::slice::Iter<'a, (K, Result<V, Error>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
