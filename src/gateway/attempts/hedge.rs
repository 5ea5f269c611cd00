//! Hedging: a call that has waited long for the first byte is sent to a second account as well, and the first good answer
//! counts. The other call is cancelled; its account has served one request and nobody pays for it. It costs providers
//! work, so it is off unless `HEDGE_AFTER_SECONDS` says otherwise, and every second call comes out of the retry budget.

use std::pin::pin;
use std::time::Duration;

use super::{ATTEMPTS, Answer, Attempts, Next, Trial};
use crate::gateway::pool::lease::Picked;
use crate::gateway::settlement::Settlement;

/// Which of two attempts ended first.
enum Ended {
    First,
    Second,
}

impl Attempts<'_> {
    /// Sends a call, and once more when `after` has passed without an answer.
    pub(crate) async fn hedged(
        &mut self,
        model: &str,
        first: &Trial,
        after: Duration,
        settlement: &mut Settlement,
    ) -> Result<Answer, Next> {
        let way = self.way;
        let mut sending = pin!(way.send(first));
        if let Ok(sent) = tokio::time::timeout(after, &mut sending).await {
            return self.judge(first, sent);
        }
        let Some(picked) = self.second(model, first, settlement).await else {
            return self.judge(first, sending.await);
        };
        let second = self.way.trial(&picked);
        let mut hedge = pin!(way.send(&second));
        let (ended, sent) = tokio::select! {
            sent = &mut sending => (Ended::First, sent),
            sent = &mut hedge => (Ended::Second, sent),
        };
        match ended {
            Ended::First => {
                let judged = self.judge(first, sent);
                if judged.is_ok() {
                    picked.lease.end_unheard();
                    settlement.also_tried();
                    return judged;
                }
                settlement.attempt(picked);
                self.judge(&second, hedge.await)
            }
            Ended::Second => {
                let judged = self.judge(&second, sent);
                if judged.is_ok() {
                    settlement.overtaken_by(picked);
                    return judged;
                }
                drop(picked);
                settlement.also_tried();
                self.judge(first, sending.await)
            }
        }
    }

    /// Another account for the same call, if there is one, and a retry for it.
    async fn second(&mut self, model: &str, first: &Trial, settlement: &mut Settlement) -> Option<Picked> {
        if self.made >= ATTEMPTS {
            return None;
        }
        self.tried.push(first.slot);
        let other = self.choose(model, settlement).await.ok().flatten();
        // Should the first fail, another credential of its account may still be tried.
        self.tried.retain(|slot| *slot != first.slot);
        let picked = other.filter(|_| self.way.gateway.retries.take(self.way.gateway.pool.now()))?;
        self.made += 1;
        Some(picked)
    }
}
