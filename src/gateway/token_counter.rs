//! Counts tokens where no provider did, on as many threads as there are cores. What waits for that is bounded by its bytes:
//! many clients that leave at once must not fill the memory with their prompts.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

/// Texts that may wait.
const MOST_BYTES: usize = 32 * 1024 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Where texts wait to be counted. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct TokenCounter(Arc<Mutex<Jobs>>);

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<(usize, Job)>,
    bytes: usize,
    threads: usize,
}

impl TokenCounter {
    /// Has `work` done on texts of so many bytes in its turn; gives them back when too many wait.
    pub(super) fn count<T: Send + 'static>(
        &self,
        bytes: usize,
        texts: T,
        work: impl FnOnce(T) + Send + 'static,
    ) -> Result<(), T> {
        let Ok(runtime) = Handle::try_current() else { return Err(texts) };
        let mut jobs = self.lock();
        if jobs.bytes.saturating_add(bytes) > MOST_BYTES {
            return Err(texts);
        }
        jobs.bytes += bytes;
        jobs.waiting.push_back((bytes, Box::new(move || work(texts))));
        if jobs.threads < std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            jobs.threads += 1;
            let counter = self.clone();
            drop(runtime.spawn_blocking(move || counter.run()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some((bytes, job)) = self.next() {
            // One text that can't be counted must not cost the thread.
            if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a text could not be counted");
            }
            self.lock().bytes -= bytes;
        }
    }

    fn next(&self) -> Option<(usize, Job)> {
        let mut jobs = self.lock();
        let next = jobs.waiting.pop_front();
        if next.is_none() {
            jobs.threads -= 1;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_waits_is_bounded_and_done_in_the_end() {
        let counter = TokenCounter::default();
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (done, count) = mpsc::channel();
        let half = MOST_BYTES / 2;
        for _ in 0..2 {
            let (held, done) = (held.clone(), done.clone());
            let waits = move |()| {
                held.lock().unwrap().recv().ok();
                done.send(()).unwrap();
            };
            assert_eq!(counter.count(half, (), waits), Ok(()));
        }
        assert_eq!(counter.count(1, "back", |_| {}), Err("back"));
        drop(hold);
        let counted = tokio::task::spawn_blocking(move || count.iter().take(2).count()).await.unwrap();
        assert_eq!(counted, 2);
    }

    #[test]
    fn without_a_runtime_nothing_waits() {
        assert_eq!(TokenCounter::default().count(1, (), |()| {}), Err(()));
    }
}
