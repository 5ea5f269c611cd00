//! Counters of a single instance: callers in memory, the windows of each account in one persisted entry.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millpond_pool::allowance::Used;
use millpond_pool::counters::Counters;
use millpond_pool::units::Moment;

use super::{AccountCounters, Admit, Admitted, Counted, RefusedBy, Subject, WindowUse};
use crate::ids::AccountId;
use crate::state::Result;
use crate::state::embedded::{Embedded, Map};

/// Kept longer than any window is left, in case the clock is set.
const SLACK_MILLIS: i64 = 3_600_000;

/// The counters of people and keys.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct CallerCounters(Arc<Mutex<HashMap<Subject, Counters>>>);

impl CallerCounters {
    pub(super) fn with<T>(&self, subject: Subject, step: impl FnOnce(&mut Counters) -> T) -> T {
        step(self.lock().entry(subject).or_default())
    }

    /// Drops those that say nothing any more.
    pub(in crate::state) fn forget_idle(&self, now: Moment) {
        self.lock().retain(|_, counters| !counters.is_idle(now));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Subject, Counters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn admit(embedded: &Embedded, admit: Admit<'_>) -> Admitted {
    let (mut all, now) = (embedded.callers().lock(), embedded.now());
    for (subject, claim) in admit.callers {
        if let Err(refusal) = all.entry(*subject).or_default().check(claim, now) {
            return Admitted { verdict: Err((RefusedBy::Caller(*subject), refusal)), account: None };
        }
    }
    for (subject, claim) in admit.callers {
        all.entry(*subject).or_default().grant(claim, now);
    }
    Admitted { verdict: Ok(()), account: None }
}

pub(super) async fn count_account(
    embedded: &Embedded,
    account: &AccountId,
    uses: &[WindowUse],
) -> Result<AccountCounters> {
    let (key, now) = (entry(account), embedded.now());
    let change = |map: &mut Map| {
        let (record, life, windows) = add(map.get(&key), uses, now);
        map.put(&key, &record, life);
        windows
    };
    let windows = embedded.update(change).await?;
    Ok(AccountCounters { windows, ..AccountCounters::default() })
}

pub(super) fn read_account(embedded: &Embedded, account: &AccountId) -> AccountCounters {
    let windows = embedded.read(|map| read(map.get(&entry(account))));
    let counted = |(name, used)| (name, Counted { used: Some(used), held: 0 });
    AccountCounters { windows: windows.into_iter().map(counted).collect(), ..AccountCounters::default() }
}

fn entry(account: &AccountId) -> String {
    format!("uses:{account}")
}

fn read(text: Option<&str>) -> BTreeMap<String, Used> {
    let held: BTreeMap<String, String> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    held.into_iter().filter_map(|(name, text)| Some((name, Used::decode(&text)?))).collect()
}

/// The record with more used, how long it lives, and the windows that were touched.
fn add(held: Option<&str>, uses: &[WindowUse], now: Moment) -> (String, Duration, BTreeMap<String, Counted>) {
    let mut windows = read(held);
    let mut touched = BTreeMap::new();
    for one in uses {
        let used = windows.get(&one.name).copied().unwrap_or(Used::nothing(one.window_millis));
        let used = Used { window_millis: one.window_millis, ..used }.plus(one.amount, now);
        windows.insert(one.name.clone(), used);
        touched.insert(one.name.clone(), Counted { used: Some(used), held: 0 });
    }
    let end = |used: &Used| used.start.plus(used.window_millis).plus(SLACK_MILLIS);
    windows.retain(|_, used| now < end(used));
    let life = windows.values().map(|used| end(used).since(now)).max().unwrap_or(SLACK_MILLIS);
    let texts: BTreeMap<&String, String> = windows.iter().map(|(name, used)| (name, used.encode())).collect();
    let record = serde_json::to_string(&texts).unwrap_or_default();
    (record, Duration::from_millis(u64::try_from(life).unwrap_or(0)), touched)
}
