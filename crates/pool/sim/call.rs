//! One call on its way: select, set aside, send, retry, settle; as the gateway does it.

use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::index::{Providers, Request, Slot, Sources};
use millpond_pool::units::{Cost, MicroUsd, Moment, Reference, Units};

use super::chance::Chance;
use super::day::Day;
use super::faults::Answer;
use super::holding::GROUPS;

/// A reservation is given back this long after it was made, if nobody settles it.
const LEASE_MILLIS: i64 = 15 * 60_000;
const MOST_ATTEMPTS: usize = 4;

/// A call that a provider is serving.
pub(super) struct Running {
    pub(super) member: usize,
    pub(super) holding: usize,
    pub(super) slot: Slot,
    pub(super) lease: Option<Lease>,
    pub(super) cost: Cost,
    pub(super) instance: u8,
    pub(super) left: bool,
}

/// What somebody wants.
struct Wish {
    member: usize,
    group: usize,
    cost: Cost,
    estimate: Cost,
    conversation: Option<u64>,
}

enum Outcome {
    Served,
    NoQuota,
    NoAccount,
    Upstream,
}

impl Day {
    pub(super) fn call(&mut self) {
        let wish = self.wish();
        self.hour().calls += 1;
        self.budget.earn();
        let mut lease = None;
        let outcome = self.attempt(&wish, &mut lease);
        if let Some(lease) = lease {
            self.members[wish.member].purses[wish.group].release(&lease, self.now);
        }
        match outcome {
            Outcome::Served => {}
            Outcome::NoQuota => self.hour().refused_quota += 1,
            Outcome::NoAccount => self.hour().refused_account += 1,
            Outcome::Upstream => self.hour().failed += 1,
        }
    }

    fn wish(&mut self) -> Wish {
        let all = self.members.last().map_or(0.0, |last| last.activity_so_far);
        let point = self.chance.part() * all;
        let member = self.members.partition_point(|member| member.activity_so_far < point);
        let point = self.chance.part();
        let group = self.demand.iter().take_while(|&&until| until < point).count().min(GROUPS.len() - 1);
        let tokens = (8.5 + self.chance.normal() * 0.8).exp();
        let cost = |tokens: f64| Cost {
            requests: 1,
            tokens: tokens as i64,
            micro_usd: Some(MicroUsd((tokens * 1.5) as i64)),
        };
        // Estimates are upper ones, but some calls turn out longer still.
        let factor = if self.chance.hit(0.03) { 0.7 } else { self.chance.between(1.0, 2.5) };
        let conversation = self.chance.hit(0.6).then(|| {
            // Somebody works on one thing for half an hour.
            let topic = self.now.0 / 1_800_000 * 3_000 + (member * 3 + group) as i64;
            Chance::new(topic.unsigned_abs()).bits()
        });
        Wish { member, group, cost: cost(tokens), estimate: cost(tokens * factor), conversation }
    }

    fn attempt(&mut self, wish: &Wish, lease: &mut Option<Lease>) -> Outcome {
        let first =
            if self.members[wish.member].prefers_shared { Sources::SharedFirst } else { Sources::OwnFirst };
        let mut sources = first;
        let mut tried: Vec<Slot> = Vec::new();
        loop {
            let request = Request {
                model: GROUPS[wish.group].0,
                caller: self.members[wish.member].id,
                providers: Providers::only(GROUPS[wish.group].1),
                sources,
                conversation: wish.conversation,
                tried: &tried,
            };
            let chance = &mut self.chance;
            let choice = self.index.select(&request, &mut || chance.bits(), self.now);
            let Some((slot, own, id)) =
                choice.map(|choice| (choice.slot, choice.own, choice.account.id.clone()))
            else {
                return match (sources, tried.is_empty()) {
                    (Sources::OwnOnly, true) => Outcome::NoQuota,
                    (_, true) => self.no_account(wish, sources),
                    (_, false) => Outcome::Upstream,
                };
            };
            if !own && lease.is_none() && !self.set_aside(wish, lease) {
                // Without quota there are still the caller's own accounts.
                sources = Sources::OwnOnly;
                continue;
            }
            let Some(&holding) = self.by_id.get(&id) else {
                self.trouble(&format!("{id:?} was chosen but is not there"));
                return Outcome::NoAccount;
            };
            if !self.index.begin(slot) {
                self.trouble(&format!("{id:?} was chosen but is full"));
                return Outcome::NoAccount;
            }
            let answer = self.provider_says(holding);
            if answer == Answer::Fine {
                let lease = if own { None } else { lease.take() };
                self.start(wish, holding, slot, lease);
                return Outcome::Served;
            }
            self.index.end(slot);
            self.learn(holding, answer);
            tried.push(slot);
            if tried.len() >= MOST_ATTEMPTS || !self.budget.take(self.now) {
                return Outcome::Upstream;
            }
            self.hour().retries += 1;
        }
    }

    fn set_aside(&mut self, wish: &Wish, lease: &mut Option<Lease>) -> bool {
        self.next_lease += 1;
        let amount = Reference::default().highest_cost(&wish.estimate);
        let asked = Lease { id: LeaseId(self.next_lease), amount, expires_at: self.now.plus(LEASE_MILLIS) };
        let (refused, trouble) = self.members[wish.member].purses[wish.group].reserve(asked, self.now);
        if let Some(trouble) = trouble {
            self.trouble(&trouble);
        }
        *lease = refused.is_none().then_some(asked);
        refused.is_none()
    }

    /// Nothing could be chosen although the caller may: there has to be a cause, and the moment told has to be true.
    fn no_account(&mut self, wish: &Wish, sources: Sources) -> Outcome {
        let request = Request {
            model: GROUPS[wish.group].0,
            caller: self.members[wish.member].id,
            providers: Providers::only(GROUPS[wish.group].1),
            sources,
            conversation: None,
            tried: &[],
        };
        let why = self.index.explain(&request, self.now);
        let explained = why.usable == 0 && why.disabled + why.resting + why.full > 0;
        let mut bits = 1_u64;
        let mut rng = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bits
        };
        let wrong_moment = why.full == 0
            && why.earliest.is_some_and(|then| self.index.select(&request, &mut rng, then).is_none());
        if !explained || wrong_moment {
            self.trouble(&format!("refused, but {why:?}"));
        }
        Outcome::NoAccount
    }

    fn start(&mut self, wish: &Wish, holding: usize, slot: Slot, lease: Option<Lease>) {
        self.learn(holding, Answer::Fine);
        let left = self.chance.hit(0.03);
        let part = if left { self.chance.between(0.05, 0.9) } else { 1.0 };
        let scaled = |amount: i64| ((amount as f64 * part) as i64).max(1);
        let cost = Cost {
            requests: 1,
            tokens: scaled(wish.cost.tokens),
            micro_usd: wish.cost.micro_usd.map(|money| MicroUsd(scaled(money.0))),
        };
        let lasts = 800 + cost.tokens * 2;
        let instance = self.chance.below(3) as u8;
        self.next_call += 1;
        let call = Running { member: wish.member, holding, slot, lease, cost, instance, left };
        self.running.insert((self.now.plus(lasts), self.next_call), call);
    }

    /// Ends all calls that are over by a moment.
    pub(super) fn end_calls(&mut self, until: Moment) {
        while let Some(next) = self.running.first_entry().filter(|next| next.key().0 <= until) {
            let ((at, _), call) = next.remove_entry();
            self.now = self.now.max(at);
            self.end(&call);
        }
    }

    fn end(&mut self, call: &Running) {
        self.index.end(call.slot);
        let units = self.units_of(call);
        let one = &mut self.holdings[call.holding];
        one.use_up(&call.cost, &self.index, self.now);
        if one.owner != call.member {
            one.served_to_others += units;
            self.dealt[one.group] += units;
        }
        let group = one.group;
        self.recorded_units += units;
        if let Some(lease) = &call.lease {
            self.members[call.member].purses[group].settle(lease, Units(units), self.now);
            self.charged_units += units;
        } else if self.holdings[call.holding].owner != call.member {
            self.trouble("a call on another's account that nobody pays");
        }
        let hour = self.hour();
        hour.served += 1;
        hour.left += usize::from(call.left);
        hour.units += units;
    }

    /// What a call cost where it ran.
    pub(super) fn units_of(&self, call: &Running) -> i64 {
        Reference::default().cost(&call.cost, self.holdings[call.holding].unit).0
    }
}
