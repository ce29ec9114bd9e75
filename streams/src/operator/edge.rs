//! Typed edges between operators: what one pushes, the next takes.
//!
//! Types are erased where a topology is wired for a task and found again there, once per edge; a record passes one virtual
//! call per operator. Records travel in batches, and inside an operator one after the other.
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ProcessError, Run};
use crate::record::Record;

/// Takes records of a type.
pub(crate) trait Push<K, V>: Send {
    /// Takes all records out of `batch`; its memory is the caller's, to be used again.
    fn push(&mut self, batch: &mut Vec<Record<K, V>>, run: &mut Run<'_>) -> Result<(), ProcessError>;
}

/// What stands behind an operator.
pub(crate) enum Edge<K, V> {
    /// Nothing: records end here.
    Nowhere,
    /// One operator, which has no other before it.
    One(Box<dyn Push<K, V>>),
    /// One operator with several before it, as a merge has. A task runs on one thread: nobody ever waits.
    Shared(Arc<Mutex<Box<dyn Push<K, V>>>>),
    /// Several operators; each gets its own copy.
    Each(Vec<Edge<K, V>>, Duplicate<K, V>),
}

/// How a record is doubled; known where the handle of a stream is cloned.
pub(crate) type Duplicate<K, V> = fn(&[Record<K, V>]) -> Vec<Record<K, V>>;

impl<K, V> Edge<K, V> {
    /// An edge to an operator.
    pub(crate) fn to(operator: impl Push<K, V> + 'static) -> Self {
        Self::One(Box::new(operator))
    }

    /// Hands the records on.
    pub(crate) fn push(
        &mut self,
        batch: &mut Vec<Record<K, V>>,
        run: &mut Run<'_>,
    ) -> Result<(), ProcessError> {
        match self {
            _ if batch.is_empty() => Ok(()),
            Self::Nowhere => {
                batch.clear();
                Ok(())
            }
            Self::One(operator) => operator.push(batch, run),
            Self::Shared(operator) => {
                operator.lock().unwrap_or_else(PoisonError::into_inner).push(batch, run)
            }
            Self::Each(edges, duplicate) => {
                let Some((last, others)) = edges.split_last_mut() else { return Ok(()) };
                for edge in others {
                    edge.push(&mut duplicate(batch), run)?;
                }
                last.push(batch, run)
            }
        }
    }
}

/// An edge whose types are erased, while a topology is wired.
pub(crate) trait AnyEdge: Send {
    /// Another way to the same operator.
    fn share(&mut self) -> Box<dyn AnyEdge>;
    /// For the downcast to its types.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<K: 'static, V: 'static> AnyEdge for Edge<K, V> {
    fn share(&mut self) -> Box<dyn AnyEdge> {
        let shared = match std::mem::replace(self, Self::Nowhere) {
            Self::One(operator) => Arc::new(Mutex::new(operator)),
            Self::Shared(operator) => operator,
            other => {
                *self = other;
                return Box::new(Self::Nowhere);
            }
        };
        *self = Self::Shared(Arc::clone(&shared));
        Box::new(Self::Shared(shared))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
