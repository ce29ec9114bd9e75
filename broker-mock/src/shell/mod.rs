//! What carries bytes between clients and the machine: in-process connections and TCP.
pub(crate) mod hub;
pub(crate) mod in_process;
pub(crate) mod link;
pub(crate) mod tcp;
