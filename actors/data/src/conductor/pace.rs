//! Holding chunks back while the CPU budget is overdrawn: one timer, set for when the deficit is gone.
//! Not here: the arithmetic (see `cpu_budget`). Nothing of this exists in a pipeline without a budget.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actix::{AsyncContext, Context};

use super::Conductor;
use crate::cpu_budget::CpuBudget;
use crate::machine;
use crate::shared::{Shared, ThreadCpu};

/// The conductor's side of a budget.
pub struct Pace {
    budget: CpuBudget,
    /// What the conductor's own thread uses counts as well.
    thread: ThreadCpu,
    is_timer_set: bool,
}

impl Pace {
    /// For a share of this machine.
    pub fn new(share: f64) -> Self {
        Self { budget: CpuBudget::new(share, machine::cores()), thread: ThreadCpu::default(), is_timer_set: false }
    }

    /// Whether the next chunk must wait for the budget; if so, a timer is set.
    pub fn holds_back(&mut self, shared: &Shared, context: &mut Context<Conductor>) -> bool {
        let Some(cpu) = &shared.cpu else { return false };
        self.thread.book(shared);
        let used = Duration::from_nanos(cpu.used_ns.load(Relaxed));
        let Err(wait) = self.budget.admit(shared.started.elapsed(), used) else {
            cpu.held_back.set(false);
            return false;
        };
        cpu.held_back.set(true);
        if !std::mem::replace(&mut self.is_timer_set, true) {
            context.run_later(wait, |conductor, context| {
                if let Some(pace) = &mut conductor.pace {
                    pace.is_timer_set = false;
                }
                conductor.issue(context);
            });
        }
        true
    }
}
