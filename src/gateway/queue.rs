//! Waiting for a place when every suitable account runs as many calls as it may. Each instance has a queue of its own, in
//! fair order over people; a place that comes free is handed to the first in line, so nobody who comes later overtakes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_pool::account::Provider;
use millpond_pool::fair::{FairQueue, Ticket};
use millpond_pool::index::{Slot, Sources, Why};
use millpond_pool::units::Cost;
use tokio::sync::oneshot;

use super::accounts::Serving;
use super::pool::{Picked, Pool, Wanted};
use crate::config::CallsConfig;
use crate::ids::UserId;

/// Why there is no account for a call.
pub(super) enum Missing {
    /// None can be used, and waiting in line would not help.
    Nothing(Why),
    /// As many wait as may.
    QueueFull,
    /// No place came free in time.
    WaitedInVain,
}

/// What somebody waits for.
struct Waiter {
    model: String,
    caller: UserId,
    provider: Provider,
    conversation: Option<u64>,
    estimate: Cost,
    tried: Vec<Slot>,
    sources: Sources,
    hand: oneshot::Sender<Picked>,
}

impl Waiter {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            model: &self.model,
            caller: self.caller,
            provider: self.provider,
            conversation: self.conversation,
            estimate: self.estimate,
            tried: &self.tried,
            patient: false,
        }
    }

    fn fits(&self, account: &Serving) -> bool {
        account.provider == self.provider
            && (account.shared || account.owner == self.caller)
            && account.serves(&self.model)
    }
}

pub(super) struct Queue {
    /// How many wait, to be read by every call that ends.
    waiting: AtomicUsize,
    lines: Mutex<FairQueue<UserId, Waiter>>,
    longest: usize,
    patience: Duration,
}

impl Queue {
    pub(super) fn new(config: &CallsConfig) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            lines: Mutex::default(),
            longest: config.queue_size,
            patience: config.queue_timeout,
        }
    }

    fn lines(&self) -> MutexGuard<'_, FairQueue<UserId, Waiter>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn join(&self, wanted: &Wanted<'_>, sources: Sources, hand: oneshot::Sender<Picked>) -> Option<Ticket> {
        let mut lines = self.lines();
        if lines.len() >= self.longest {
            return None;
        }
        let waiter = Waiter {
            model: wanted.model.to_owned(),
            caller: wanted.caller,
            provider: wanted.provider,
            conversation: wanted.conversation,
            estimate: wanted.estimate,
            tried: wanted.tried.to_vec(),
            sources,
            hand,
        };
        let ticket = lines.push(wanted.caller, waiter);
        self.waiting.store(lines.len(), Ordering::SeqCst);
        Some(ticket)
    }

    fn leave(&self, caller: UserId, ticket: Ticket) {
        let mut lines = self.lines();
        let left = lines.remove(caller, ticket);
        self.waiting.store(lines.len(), Ordering::SeqCst);
        drop(lines);
        drop(left);
    }
}

/// Somebody in line; dropped, they have left it.
struct InLine {
    pool: Arc<Pool>,
    caller: UserId,
    ticket: Ticket,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.pool.queue.leave(self.caller, self.ticket);
    }
}

impl Pool {
    /// Chooses an account, waiting for a place where `wanted` is patient and only places are lacking.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        wanted: &Wanted<'_>,
        sources: Sources,
    ) -> Result<Picked, Missing> {
        let why = if wanted.patient && !self.queue.is_empty() {
            self.explain(wanted, sources)
        } else {
            match self.pick(wanted, sources) {
                Ok(picked) => return Ok(picked),
                Err(why) => why,
            }
        };
        if !wanted.patient || why.full + why.usable == 0 {
            return Err(Missing::Nothing(why));
        }
        let (hand, hears) = oneshot::channel();
        let ticket = self.queue.join(wanted, sources, hand).ok_or(Missing::QueueFull)?;
        let in_line = InLine { pool: self.clone(), caller: wanted.caller, ticket };
        // A place may have come free before we stood in line.
        self.hand_out();
        let waited = tokio::time::timeout(self.queue.patience, hears).await;
        drop(in_line);
        waited.ok().and_then(Result::ok).ok_or(Missing::WaitedInVain)
    }

    /// Gives a place that came free on an account to the first in line who can use it.
    pub(super) fn hand_on(self: &Arc<Self>, slot: Slot) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(account) = self.serving(slot) {
            self.hand_one(|waiter| waiter.fits(&account));
        }
    }

    /// Gives out what places there are.
    pub(super) fn hand_out(self: &Arc<Self>) {
        while !self.queue.is_empty() && self.hand_one(|_| true) {}
    }

    fn hand_one(self: &Arc<Self>, may: impl Fn(&Waiter) -> bool) -> bool {
        let mut lines = self.queue.lines();
        let taken = lines.take(|waiter| {
            if waiter.hand.is_closed() || !may(waiter) {
                return None;
            }
            self.pick(&waiter.wanted(), waiter.sources).ok()
        });
        self.queue.waiting.store(lines.len(), Ordering::SeqCst);
        // A place that nobody takes comes free again, for which the line must not be locked.
        drop(lines);
        let Some((waiter, picked)) = taken else { return false };
        drop(waiter.hand.send(picked));
        true
    }
}
