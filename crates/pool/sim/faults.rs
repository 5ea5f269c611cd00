//! What goes wrong during the day, and what members do with their accounts meanwhile.

use millpond_pool::units::Moment;

use super::day::{DAY_BEGINS, Day};
use super::holding::{GROUPS, Way};

const MINUTE: i64 = 60_000;

/// What a provider answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Fine,
    /// 5xx, a timeout or a reset.
    Broken,
    /// 429, with so many milliseconds to wait.
    Slower(i64),
    /// 401 or 403.
    Revoked,
}

/// (provider, first and last minute, how many calls fail)
const OUTAGES: [(usize, i64, i64, f64); 3] =
    [(0, 9 * 60, 9 * 60 + 35, 0.9), (1, 14 * 60, 14 * 60 + 20, 1.0), (2, 20 * 60, 21 * 60, 0.3)];

/// (minute, instance of three)
const LOST_PROCESSES: [(i64, u8); 3] = [(3 * 60 + 20, 0), (11 * 60 + 45, 1), (20 * 60 + 10, 2)];

impl Day {
    pub(super) fn provider_says(&mut self, holding: usize) -> Answer {
        let minute = self.now.since(DAY_BEGINS) / MINUTE;
        let one = &self.holdings[holding];
        let out = OUTAGES.iter().find(|out| out.0 == one.group && (out.1..out.2).contains(&minute));
        let broken = out.map_or(0.002, |out| out.3);
        if one.revoked {
            Answer::Revoked
        } else if self.chance.hit(broken) {
            Answer::Broken
        } else if self.chance.hit(0.003) {
            Answer::Slower((self.chance.between(10.0, 90.0) * 1_000.0) as i64)
        } else {
            Answer::Fine
        }
    }

    /// Lets the pool draw its conclusions from an answer.
    pub(super) fn learn(&mut self, holding: usize, answer: Answer) {
        let one = &mut self.holdings[holding];
        let Some(slot) = one.slot else { return };
        match answer {
            Answer::Fine if one.failures > 0 => {
                one.failures = 0;
                self.index.set_rest(slot, None, Vec::new());
            }
            Answer::Fine => {}
            Answer::Broken => {
                one.failures += 1;
                if one.failures >= 5 {
                    self.index.set_rest(slot, Some(self.now.plus(30_000)), Vec::new());
                }
            }
            Answer::Slower(millis) => {
                self.index.set_rest(slot, Some(self.now.plus(millis)), Vec::new());
            }
            Answer::Revoked => {
                self.leave(holding);
                let one = &mut self.holdings[holding];
                one.off = true;
                one.repaired_at = Some(self.now.plus((self.chance.between(20.0, 240.0) * 60_000.0) as i64));
                self.settle_in(holding);
            }
        }
    }

    /// Everything that happens once a minute besides calls.
    pub(super) fn mishaps(&mut self, minute: i64) {
        if let Some(lost) = LOST_PROCESSES.iter().find(|lost| lost.0 == minute) {
            self.lose(lost.1);
        }
        if self.chance.hit(1.0 / 30.0) {
            let one = self.chance.below(self.holdings.len());
            self.holdings[one].revoked = true;
        }
        for one in 0..self.holdings.len() {
            if self.holdings[one].repaired_at.is_some_and(|then| then <= self.now) {
                self.repair(one);
            }
        }
        if self.chance.hit(0.7) {
            let one = self.chance.below(self.holdings.len());
            self.change_mind(one);
        }
    }

    fn repair(&mut self, holding: usize) {
        let one = &mut self.holdings[holding];
        (one.revoked, one.off, one.repaired_at) = (false, false, None);
        self.come_back(holding);
    }

    /// An owner unshares, deletes, shares or adds again.
    fn change_mind(&mut self, holding: usize) {
        let way = match (self.holdings[holding].way, self.chance.below(10)) {
            (Way::Shared, 0) => Way::Deleted,
            (Way::Shared, 1) => Way::Dedicated,
            (Way::Dedicated, 2..=5) | (Way::Deleted, _) => Way::Shared,
            _ => return,
        };
        self.leave(holding);
        let one = &mut self.holdings[holding];
        if one.way == Way::Deleted {
            one.rename();
        }
        one.way = way;
        self.come_back(holding);
    }

    /// Stops counting for the owner, if it did.
    fn leave(&mut self, holding: usize) {
        let one = &self.holdings[holding];
        if one.counts() {
            self.members[one.owner].purses[one.group].unshare(&one.id, self.now);
        }
    }

    /// Counts for the owner, if it does now.
    pub(super) fn come_back(&mut self, holding: usize) {
        let one = &self.holdings[holding];
        if one.counts() {
            let purse = &mut self.members[one.owner].purses[one.group];
            purse.share(&one.id, one.units, one.remaining(self.now), self.now);
        }
        self.settle_in(holding);
    }

    fn settle_in(&mut self, holding: usize) {
        let one = &mut self.holdings[holding];
        one.show(&mut self.index, self.now);
    }

    /// A process dies: its calls were served, but nobody will ever settle them.
    fn lose(&mut self, instance: u8) {
        let lost: Vec<_> = self.running.extract_if(.., |_, call| call.instance == instance).collect();
        for (_, call) in lost {
            self.index.end(call.slot);
            self.holdings[call.holding].use_up(&call.cost, &self.index, self.now);
            self.lost_units += self.units_of(&call);
            self.totals.lost += 1;
        }
    }

    /// How busy everybody is: most in the afternoon, least before dawn.
    pub(super) fn calls_in(minute: i64) -> usize {
        let angle = (minute as f64 / 60.0 - 15.0) / 24.0 * std::f64::consts::TAU;
        let shape = (angle.cos() + 1.0) / 2.0;
        (20.0 + 190.0 * shape * shape) as usize * GROUPS.len() / 3
    }
}

/// The moment of a minute.
pub(super) fn moment_of(minute: i64) -> Moment {
    DAY_BEGINS.plus(minute * MINUTE)
}
