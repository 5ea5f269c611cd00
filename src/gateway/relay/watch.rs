//! The watch over running streams. A body is polled only when its client takes bytes, so what must happen all the same
//! happens from here, once a second: a provider that is silent too long, a client that takes nothing, a call that is past
//! its deadline. At the end of the process it tells every stream to say goodbye.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gateway::relay::stream::Stream;
use crate::tasks::Tasks;

const EVERY: Duration = Duration::from_secs(1);

/// All streams that run on this instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Shared>);

struct Shared {
    tasks: Tasks,
    /// Those that ended since the last look are still here, as empty shells.
    streams: Mutex<Vec<Weak<Mutex<Stream>>>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Starts watching; ends with the tasks.
    pub(crate) fn start(tasks: &Tasks) -> Self {
        let watch = Self(Arc::new(Shared { tasks: tasks.clone(), streams: Mutex::default() }));
        let looking = watch.clone();
        tasks.spawn("watch over streams", |stop| looking.look(stop));
        watch
    }

    /// Where an answer is read on when its client has gone.
    pub(super) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(super) fn add(&self, stream: &Arc<Mutex<Stream>>) {
        lock(&self.0.streams).push(Arc::downgrade(stream));
    }

    /// Lets every stream end with an error that says why, because the process ends.
    pub(crate) fn end_all(&self) {
        for stream in self.running() {
            lock(&stream).shut_down();
        }
    }

    async fn look(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let now = Instant::now();
            for stream in self.running() {
                lock(&stream).check(now);
            }
        }
    }

    /// A copy: settling a call takes time, in which others begin.
    fn running(&self) -> Vec<Arc<Mutex<Stream>>> {
        let mut streams = lock(&self.0.streams);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.iter().filter_map(Weak::upgrade).collect()
    }
}
