//! The cold half of a member's quota for one model group: which of the member's accounts count, and what each gave and
//! had taken back. It answers with an [`Adjustment`] of the bucket and never touches the bucket itself, so that it can
//! live in a SQL row while the bucket lives in Redis. What an account's units are is decided elsewhere.
//!
//! # Why no sequence of sharing and unsharing gains anything
//! - Sharing an account for the first time gives twice its remaining units; `gave` remembers how much.
//! - Unsharing (disabling and deleting are the same event) lowers `max_quota` and takes `gave` back as far as the balance
//!   goes; what was really lost is remembered as `taken`. An account that is already away has nothing to take.
//! - Coming back within one reference window restores `taken` and nothing else. An account that stayed would have
//!   recovered at least as much, so leaving and returning at one instant changes nothing and later never gains.
//! - After a whole window away an account counts as new: staying would have filled the quota from empty by then.
//! - A *new* account that comes while others are away may be one of them under another name (deleted and added again),
//!   so it first fills their place: for that part it restores what was taken from them, and only the rest is given.
//!   One that returns and finds its place filled does the same, but is given nothing beyond; so what is owed to those
//!   away is never more than what `max_quota` lacks of them.
//! - An account that is found larger raises `max_quota` at once, but the quota itself only by recovery.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::units::{Moment, Units};

/// One shared account's part in its owner's quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    units: Units,
    gave: Units,
    #[serde(default)]
    lowered: Units,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away: Option<Away>,
}

/// What is remembered of an account that is not counted at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Away {
    since: Moment,
    taken: Units,
    place: Units,
}

/// What happens to a member's sharing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An account is shared, or a shared one is enabled again; follow it with `Resize` in case its size changed
    /// while it was away.
    Share {
        /// The account, by an id that stays when it is added again if there is one.
        account: AccountId,
        /// What it counts for.
        units: Units,
        /// What is left of it now.
        remaining: Units,
    },
    /// An account is unshared, disabled (by anybody, or by its provider's refusal) or deleted.
    Unshare {
        /// The account.
        account: AccountId,
    },
    /// A counted account's units changed, because its allowance did or because of what it proved.
    Resize {
        /// The account.
        account: AccountId,
        /// What it counts for from now on.
        units: Units,
    },
    /// The trust level's base changed.
    SetBase(Units),
    /// The cap for one person changed.
    SetCap(Option<Units>),
}

/// The change to make in the bucket: `take` first and never below zero, then `give`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// The new `max_quota`.
    pub max: Units,
    /// To be taken as far as the balance goes.
    pub take: Units,
    /// To be added.
    pub give: Units,
}

/// An event whose adjustment has to be made, and its result reported to [`Sharing::complete`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Pending {
    /// What to do to the bucket.
    pub adjustment: Adjustment,
    record: Record,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Record {
    Nothing,
    Gave(AccountId),
    Took(AccountId),
    Lowered(AccountId),
}

/// A member's base, cap and contributions for one model group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    base: Units,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cap: Option<Units>,
    window_millis: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contributions: BTreeMap<AccountId, Contribution>,
}

impl Sharing {
    /// A member who shares nothing yet.
    pub fn new(base: Units, cap: Option<Units>, window_millis: i64) -> Self {
        Self { base: base.bounded(), cap, window_millis, contributions: BTreeMap::new() }
    }

    /// The base plus twice the units of every counted account, at most the cap.
    pub fn max(&self) -> Units {
        let counted = self.contributions.values().filter(|one| one.away.is_none());
        let sum = counted.fold(self.base, |sum, one| sum.plus(one.units.doubled()));
        self.cap.map_or(sum, |cap| sum.min(cap.bounded()))
    }

    /// The next events that turn what is counted into `wanted`: the base and the cap, then what is gone, then what is
    /// new or changed. Empty when nothing is to be done. `remaining` of a new account is all of it.
    pub fn events_towards(
        &self,
        base: Units,
        cap: Option<Units>,
        wanted: &BTreeMap<AccountId, Units>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if self.base != base.bounded() {
            events.push(Event::SetBase(base));
        }
        if self.cap != cap {
            events.push(Event::SetCap(cap));
        }
        for (account, _) in
            self.contributions.iter().filter(|(id, one)| one.away.is_none() && !wanted.contains_key(*id))
        {
            events.push(Event::Unshare { account: account.clone() });
        }
        for (account, &units) in wanted {
            let known = self.contributions.get(account);
            if known.is_none_or(|one| one.away.is_some()) {
                events.push(Event::Share { account: account.clone(), units, remaining: units });
            }
            // One that comes back still has the size that it had when it left.
            if known.is_some_and(|one| one.units != units.bounded()) {
                events.push(Event::Resize { account: account.clone(), units });
            }
        }
        events
    }

    /// The units that an account counts for now, `None` if it is not counted.
    pub fn counted(&self, account: &AccountId) -> Option<Units> {
        self.contributions.get(account).filter(|one| one.away.is_none()).map(|one| one.units)
    }

    /// Takes the event up and says what to change in the bucket.
    pub fn prepare(&mut self, event: &Event, now: Moment) -> Pending {
        self.forget_long_away(now);
        let (take, give, record) = match event {
            Event::Share { account, units, remaining } => self.share(account, *units, *remaining),
            Event::Unshare { account } => self.unshare(account, now),
            Event::Resize { account, units } => self.resize(account, units.bounded()),
            Event::SetBase(base) => {
                self.base = base.bounded();
                (Units::ZERO, Units::ZERO, Record::Nothing)
            }
            Event::SetCap(cap) => {
                self.cap = *cap;
                (Units::ZERO, Units::ZERO, Record::Nothing)
            }
        };
        Pending { adjustment: Adjustment { max: self.max(), take, give }, record }
    }

    /// Records what the bucket really moved by.
    pub fn complete(&mut self, pending: &Pending, moved: Units) {
        let (account, lost) = match &pending.record {
            Record::Nothing => return,
            Record::Gave(account) | Record::Took(account) | Record::Lowered(account) => {
                (account, Units::ZERO.minus(moved).bounded())
            }
        };
        let Some(one) = self.contributions.get_mut(account) else { return };
        match pending.record {
            Record::Gave(_) => one.gave = moved.bounded(),
            Record::Lowered(_) => one.lowered = one.lowered.plus(lost),
            Record::Took(_) => {
                if let Some(away) = &mut one.away {
                    away.taken = lost;
                }
            }
            Record::Nothing => {}
        }
    }

    fn share(&mut self, account: &AccountId, units: Units, remaining: Units) -> (Units, Units, Record) {
        if let Some(one) = self.contributions.get_mut(account) {
            let Some(away) = one.away.take() else { return (Units::ZERO, Units::ZERO, Record::Nothing) };
            // Its place may have been filled by another, whose own is then still open.
            let elsewhere = one.units.doubled().minus(away.place).bounded();
            let (restored, _) = self.fill_places(elsewhere, elsewhere);
            return (Units::ZERO, away.taken.plus(restored), Record::Nothing);
        }
        let units = units.bounded();
        let limit = remaining.bounded().min(units).doubled();
        let (restored, open) = self.fill_places(units.doubled(), limit);
        let give = restored.plus(open).min(limit);
        self.contributions.insert(account.clone(), Contribution { units, ..Contribution::default() });
        (Units::ZERO, give, Record::Gave(account.clone()))
    }

    fn unshare(&mut self, account: &AccountId, now: Moment) -> (Units, Units, Record) {
        let Some(one) = self.contributions.get_mut(account).filter(|one| one.away.is_none()) else {
            return (Units::ZERO, Units::ZERO, Record::Nothing);
        };
        let place = one.units.doubled();
        one.away = Some(Away { since: now, taken: Units::ZERO, place });
        (one.gave.min(place), Units::ZERO, Record::Took(account.clone()))
    }

    fn resize(&mut self, account: &AccountId, units: Units) -> (Units, Units, Record) {
        let Some(one) = self.contributions.get_mut(account).filter(|one| one.away.is_none()) else {
            return (Units::ZERO, Units::ZERO, Record::Nothing);
        };
        let (old, new) = (one.units.doubled(), units.doubled());
        one.units = units;
        if new < old {
            let excess = one.gave.min(old).minus(new).bounded();
            return (excess, Units::ZERO, Record::Lowered(account.clone()));
        }
        let restored = one.lowered.min(new.minus(old));
        one.lowered = one.lowered.minus(restored);
        (Units::ZERO, restored, Record::Nothing)
    }

    /// Lets an account worth `entitled` fill the places of those away, and answers what that restores, at most `limit`,
    /// and what part of it found no place.
    fn fill_places(&mut self, entitled: Units, limit: Units) -> (Units, Units) {
        let mut open = entitled;
        let mut restorable = Units::ZERO;
        for away in self.contributions.values_mut().filter_map(|one| one.away.as_mut()) {
            let filled = away.place.min(open);
            away.place = away.place.minus(filled);
            open = open.minus(filled);
            let room = limit.minus(restorable).bounded();
            let restored = away.taken.min(filled).min(room);
            away.taken = away.taken.minus(restored);
            restorable = restorable.plus(restored);
        }
        (restorable, open)
    }

    fn forget_long_away(&mut self, now: Moment) {
        let window = self.window_millis;
        self.contributions
            .retain(|_, one| one.away.as_ref().is_none_or(|away| now.since(away.since) < window));
    }
}
