//! The faults that are waiting for their requests.
use super::effects::Effects;
use super::rule::{Fault, Seen};

/// All faults of a cluster, in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct FaultList {
    faults: Vec<Fault>,
}

impl FaultList {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// How many faults have not run out.
    pub(crate) fn len(&self) -> usize {
        self.faults.len()
    }

    /// Every fault that meets the request counts it and, if its turn has come, adds its effects.
    pub(crate) fn meet(&mut self, seen: &Seen<'_>) -> Effects {
        let mut effects = Effects::default();
        for fault in &mut self.faults {
            if let Some(met) = fault.meet(seen) {
                effects.add(&met);
            }
        }
        self.faults.retain(|fault| !fault.has_run_out());
        effects
    }
}
