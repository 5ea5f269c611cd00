//! The state of the simulation, and the passing of its time.

use std::collections::{BTreeMap, HashMap};

use millpond_pool::account::AccountId;
use millpond_pool::index::Index;
use millpond_pool::retry::RetryBudget;
use millpond_pool::units::Moment;

use super::call::Running;
use super::chance::Chance;
use super::faults::moment_of;
use super::holding::{GROUPS, Holding};
use super::member::Member;
use super::report::{Hour, jain};
use super::{ACCOUNTS, MEMBERS};

/// Midnight of some day.
pub(super) const DAY_BEGINS: Moment = Moment(1_790_035_200_000);

/// Only these many of the members have accounts.
const OWNERS: usize = 200;
const MOST_TROUBLES: usize = 20;

#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) lost: usize,
}

pub(crate) struct Day {
    pub(crate) hours: Vec<Hour>,
    pub(crate) totals: Totals,
    pub(crate) troubles: Vec<String>,
    pub(super) now: Moment,
    pub(super) chance: Chance,
    pub(super) members: Vec<Member>,
    pub(super) holdings: Vec<Holding>,
    pub(super) by_id: HashMap<AccountId, usize>,
    pub(super) index: Index,
    pub(super) budget: RetryBudget,
    pub(super) running: BTreeMap<(Moment, u64), Running>,
    /// Where each group's part of the demand ends.
    pub(super) demand: Vec<f64>,
    /// What was served to others in this minute, by group.
    pub(super) dealt: [i64; GROUPS.len()],
    pub(super) next_lease: u64,
    pub(super) next_call: u64,
    pub(super) recorded_units: i64,
    pub(super) charged_units: i64,
    pub(super) lost_units: i64,
}

impl Day {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut members: Vec<Member> = Vec::new();
        for number in 0..MEMBERS {
            let before = members.last().map_or(0.0, |last| last.activity_so_far);
            members.push(Member::new(number, before, &mut chance, DAY_BEGINS));
        }
        let holdings: Vec<Holding> =
            (0..ACCOUNTS).map(|number| Holding::new(number, chance.below(OWNERS), &mut chance)).collect();
        let demand = demand(&holdings);
        let mut day = Self {
            hours: Vec::new(),
            totals: Totals::default(),
            troubles: Vec::new(),
            now: DAY_BEGINS,
            chance,
            members,
            holdings,
            by_id: HashMap::new(),
            index: Index::new(),
            budget: RetryBudget::new(DAY_BEGINS),
            running: BTreeMap::new(),
            demand,
            dealt: [0; GROUPS.len()],
            next_lease: 0,
            next_call: 0,
            recorded_units: 0,
            charged_units: 0,
            lost_units: 0,
        };
        for holding in 0..ACCOUNTS {
            day.come_back(holding);
        }
        day
    }

    pub(super) fn minute(&mut self, minute: i64) {
        if minute % 60 == 0 {
            self.close_hour();
            self.hours.push(Hour::default());
        }
        self.end_calls(moment_of(minute));
        self.now = moment_of(minute);
        self.deal();
        self.index.wake(self.now);
        self.mishaps(minute);
        self.by_id = self.holdings.iter().enumerate().map(|(number, one)| (one.id.clone(), number)).collect();
        let calls = Self::calls_in(minute);
        for number in 0..calls {
            let at = moment_of(minute).plus((60_000 * number / calls) as i64);
            self.end_calls(at);
            self.now = self.now.max(at);
            self.index.wake(self.now);
            self.call();
        }
    }

    pub(super) fn finish(&mut self) {
        // Nobody settles what lost processes held; by then it has come back by itself.
        self.end_calls(Moment(i64::MAX));
        self.now = self.now.plus(3_600_000);
        self.close_hour();
        let counted: i64 = self.holdings.iter().map(|one| one.provider_count).sum();
        if counted != self.recorded_units + self.lost_units {
            self.trouble(&format!("providers counted {counted}, we {}", self.recorded_units));
        }
        let charged: i64 =
            self.members.iter().flat_map(|member| &member.purses).map(|purse| purse.charged).sum();
        if charged != self.charged_units {
            self.trouble(&format!("{charged} was charged for {}", self.charged_units));
        }
    }

    pub(super) fn hour(&mut self) -> &mut Hour {
        if self.hours.is_empty() {
            self.hours.push(Hour::default());
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    pub(super) fn trouble(&mut self, what: &str) {
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(format!("at {} ms: {what}", self.now.since(DAY_BEGINS)));
        }
    }

    /// Checks every purse, and completes the numbers of the hour that ends.
    fn close_hour(&mut self) {
        for member in 0..self.members.len() {
            for group in 0..GROUPS.len() {
                let own = self.holdings.iter().filter(|one| one.owner == member && one.group == group);
                let shared = own.filter(|one| one.counts()).map(|one| one.units.0).sum();
                if let Some(trouble) = self.members[member].purses[group].trouble(shared, self.now) {
                    self.trouble(&format!("member {member}: {trouble}"));
                }
            }
        }
        let there: i64 =
            self.holdings.iter().filter(|one| one.slot.is_some() && !one.off).map(|one| one.units.0).sum();
        let jain = (0..GROUPS.len()).map(|group| self.jain(group)).fold(1.0, f64::min);
        if let Some(hour) = self.hours.last_mut() {
            hour.utilisation = hour.units as f64 * 5.0 / there as f64;
            hour.jain = jain;
        }
    }

    /// Says what each sharer's part of the last minute would have been.
    fn deal(&mut self) {
        for (group, dealt) in std::mem::take(&mut self.dealt).into_iter().enumerate() {
            let there = |one: &Holding| one.group == group && one.counts();
            let all: i64 = self.holdings.iter().filter(|one| there(one)).map(|one| one.units.0).sum();
            for one in self.holdings.iter_mut().filter(|one| there(one)) {
                one.due += dealt as f64 * one.units.0 as f64 / all.max(1) as f64;
            }
        }
    }

    /// How evenly sharers were used until now, compared with what was there of them when there was demand, among those who serve the same models.
    fn jain(&self, group: usize) -> f64 {
        let mut owners: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for one in self.holdings.iter().filter(|one| one.group == group) {
            let sums = owners.entry(one.owner).or_default();
            sums.0 += one.served_to_others as f64;
            sums.1 += one.due;
        }
        let mean: f64 = owners.values().map(|sums| sums.1).sum::<f64>() / owners.len() as f64;
        // Who was there for a moment only had no chance to be used.
        jain(owners.values().filter(|sums| sums.1 > mean / 20.0).map(|sums| sums.0 / sums.1))
    }
}

/// People want what there is: each group's part of the calls is its part of the shared units.
fn demand(holdings: &[Holding]) -> Vec<f64> {
    let of = |group| {
        let all = holdings.iter().filter(|one: &&Holding| one.group == group && one.counts());
        all.map(|one| one.units.0 as f64).sum::<f64>()
    };
    let all: f64 = (0..GROUPS.len()).map(of).sum();
    let parts = (0..GROUPS.len()).map(|group| of(group) / all);
    parts
        .scan(0.0, |sum, part| {
            *sum += part;
            Some(*sum)
        })
        .collect()
}
