//! The application's function, and what it is called with.
use std::future::Future;

use courant_consumer::{ConsumerRecord, DecodeError, Decoder, TypedConsumerRecord};

use crate::failure::Failure;

/// A function that is called for each record; the `for_each_…` functions of [`Handlers`](crate::Handlers) and
/// [`TypedHandlers`](crate::TypedHandlers) make one of a closure.
pub trait Handler: sealed::Sealed {
    /// What it fails with.
    #[doc(hidden)]
    type Error: Into<Failure>;
    /// One call of it.
    #[doc(hidden)]
    type Running: Future<Output = Result<(), Self::Error>>;

    /// Begins a call, if the record can be read.
    #[doc(hidden)]
    fn start(&self, record: &ConsumerRecord) -> Result<Self::Running, DecodeError>;
}

mod sealed {
    pub trait Sealed {}
}

/// A closure over records as they came.
#[derive(Debug)]
pub(crate) struct Plain<F>(pub(crate) F);

/// A closure over decoded records.
#[derive(Debug)]
pub(crate) struct Typed<K, V, F> {
    pub(crate) decoder: Decoder<K, V>,
    pub(crate) call: F,
}

impl<F> sealed::Sealed for Plain<F> {}
impl<K, V, F> sealed::Sealed for Typed<K, V, F> {}

impl<F, Fut, E> Handler for Plain<F>
where
    F: Fn(ConsumerRecord) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    type Error = E;
    type Running = Fut;

    fn start(&self, record: &ConsumerRecord) -> Result<Fut, DecodeError> {
        Ok((self.0)(record.clone()))
    }
}

impl<K, V, F, Fut, E> Handler for Typed<K, V, F>
where
    F: Fn(TypedConsumerRecord<K, V>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    type Error = E;
    type Running = Fut;

    fn start(&self, record: &ConsumerRecord) -> Result<Fut, DecodeError> {
        self.decoder.decode(record.clone()).map(&self.call)
    }
}
