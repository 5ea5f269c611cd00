//! Waiting for a place when every suitable account runs as many calls as it may. Each instance has a queue of its own, in
//! fair order over people; a place that comes free is handed to the first in line, so nobody who comes later overtakes.
//! Between instances whoever asks first has the place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_pool::account::Provider;
use millpond_pool::fair::{FairQueue, Ticket};
use millpond_pool::index::{Slot, Sources, Why};
use millpond_pool::units::Cost;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::CallsConfig;
use crate::gateway::accounts::Serving;
use crate::gateway::pool::Pool;
use crate::gateway::pool::lease::{Picked, Wanted};
use crate::ids::UserId;

/// Somebody who joins lets so many be served first who want the same; their places mostly came free long ago.
const SERVED_FIRST: usize = 8;

/// Who waits looks after so long for the first time whether it is in vain, and then ever more seldom.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Why there is no account for a call.
pub(crate) enum Missing {
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
            asked_model: &self.model,
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

/// Who waits, and how many for each model.
#[derive(Default)]
struct Lines {
    fair: FairQueue<UserId, Waiter>,
    models: HashMap<String, usize>,
}

impl Lines {
    fn push(&mut self, waiter: Waiter) -> Ticket {
        *self.models.entry(waiter.model.clone()).or_default() += 1;
        self.fair.push(waiter.caller, waiter)
    }

    fn remove(&mut self, caller: UserId, ticket: Ticket) -> Option<Waiter> {
        let left = self.fair.remove(caller, ticket)?;
        self.uncount(&left.model);
        Some(left)
    }

    fn take<A>(&mut self, choose: impl FnMut(&Waiter) -> Option<A>) -> Option<(Waiter, A)> {
        let taken = self.fair.take(choose)?;
        self.uncount(&taken.0.model);
        Some(taken)
    }

    fn uncount(&mut self, model: &str) {
        let Some(count) = self.models.get_mut(model) else { return };
        *count -= 1;
        if *count == 0 {
            self.models.remove(model);
        }
    }
}

pub(crate) struct Queue {
    /// How many wait, to be read by every call that ends.
    waiting: AtomicUsize,
    lines: Mutex<Lines>,
    longest: usize,
    patience: Duration,
}

impl Queue {
    pub(crate) fn new(config: &CallsConfig) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            lines: Mutex::default(),
            longest: config.queue_size,
            patience: config.queue_timeout,
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn waits_for(&self, model: &str) -> bool {
        !self.is_empty() && self.lines().models.contains_key(model)
    }

    fn join(&self, wanted: &Wanted<'_>, sources: Sources, hand: oneshot::Sender<Picked>) -> Option<Ticket> {
        let mut lines = self.lines();
        if lines.fair.len() >= self.longest {
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
        let ticket = lines.push(waiter);
        self.waiting.store(lines.fair.len(), Ordering::SeqCst);
        Some(ticket)
    }

    fn leave(&self, caller: UserId, ticket: Ticket) {
        let mut lines = self.lines();
        let left = lines.remove(caller, ticket);
        self.waiting.store(lines.fair.len(), Ordering::SeqCst);
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
    /// Until when a call that begins to wait now waits.
    pub(crate) fn patience(&self) -> Instant {
        Instant::now() + self.queue.patience
    }

    /// Chooses an account without waiting.
    pub(crate) fn pick_at_once(
        self: &Arc<Self>,
        wanted: &Wanted<'_>,
        sources: Sources,
    ) -> Result<Picked, Why> {
        // Who comes later overtakes nobody who waits for the same, except on their own account.
        let own_only = wanted.patient && self.queue.waits_for(wanted.model);
        let picked = self.pick(wanted, if own_only { Sources::OwnOnly } else { sources });
        picked.ok_or_else(|| self.explain(wanted, sources))
    }

    /// Waits for a place where `wanted` is patient and only places were lacking.
    pub(crate) async fn wait_in_line(
        self: &Arc<Self>,
        wanted: &Wanted<'_>,
        sources: Sources,
        why: Why,
        until: Instant,
    ) -> Result<Picked, Missing> {
        if !wanted.patient || why.full + why.usable == 0 {
            return Err(Missing::Nothing(why));
        }
        let (hand, hears) = oneshot::channel();
        let ticket = self.queue.join(wanted, sources, hand).ok_or(Missing::QueueFull)?;
        let in_line = InLine { pool: self.clone(), caller: wanted.caller, ticket };
        // A place may have come free before we stood in line.
        self.hand_out_for(wanted.model);
        let waited = self.wait(hears, wanted, sources, until).await;
        drop(in_line);
        waited
    }

    /// Waits for a place to be handed over, and looks now and then whether any still can be.
    async fn wait(
        &self,
        mut hears: oneshot::Receiver<Picked>,
        wanted: &Wanted<'_>,
        sources: Sources,
        until: Instant,
    ) -> Result<Picked, Missing> {
        let mut pause = LOOK_AFTER;
        loop {
            let look = until.min(Instant::now() + pause);
            if let Ok(heard) = tokio::time::timeout_at(look, &mut hears).await {
                return heard.map_err(|_| Missing::WaitedInVain);
            }
            let why = self.explain(wanted, sources);
            if why.full + why.usable == 0 {
                return Err(Missing::Nothing(why));
            }
            if Instant::now() >= until {
                return Err(Missing::WaitedInVain);
            }
            pause *= 2;
        }
    }

    /// Gives a place that came free on an account to the first in line who can use it.
    pub(crate) fn hand_on(self: &Arc<Self>, slot: Slot) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(account) = self.serving(slot) {
            self.hand_one(|waiter| waiter.fits(&account));
        }
    }

    fn hand_out_for(self: &Arc<Self>, model: &str) {
        let mut looked_at = 0;
        let mut may = |waiter: &Waiter| {
            looked_at += usize::from(waiter.model == model);
            waiter.model == model && looked_at <= SERVED_FIRST
        };
        while !self.queue.is_empty() && self.hand_one(&mut may) {}
    }

    /// Gives out what places there are.
    pub(crate) fn hand_out(self: &Arc<Self>) {
        while !self.queue.is_empty() && self.hand_one(|_| true) {}
    }

    fn hand_one(self: &Arc<Self>, mut may: impl FnMut(&Waiter) -> bool) -> bool {
        let mut lines = self.queue.lines();
        let taken = lines.take(|waiter| {
            if waiter.hand.is_closed() || !may(waiter) {
                return None;
            }
            self.pick(&waiter.wanted(), waiter.sources)
        });
        self.queue.waiting.store(lines.fair.len(), Ordering::SeqCst);
        // A place that nobody takes comes free again, for which the line must not be locked.
        drop(lines);
        let Some((waiter, picked)) = taken else { return false };
        drop(waiter.hand.send(picked));
        true
    }
}
