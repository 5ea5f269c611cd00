//! What one of those who carry a journal on has yet to take: in memory, up to a bound; beyond it, only where it begins on
//! disk is remembered.

use std::collections::VecDeque;

use super::segment::Position;

/// Waits in memory, with the place at which its record ends.
pub(super) struct Queue<T> {
    queued: VecDeque<(Position, T)>,
    most: usize,
    /// What stands here and later is on disk only.
    on_disk: Option<Position>,
}

/// What comes next.
pub(super) enum Next<T> {
    Queued(Vec<(Position, T)>),
    OnDisk(Position),
    Nothing,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { queued: VecDeque::new(), most, on_disk: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.on_disk.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    /// Takes in what was written between two places.
    pub(super) fn push(&mut self, from: Position, end: Position, item: T) {
        if self.on_disk.is_none() && self.queued.len() >= self.most {
            self.on_disk = Some(from);
        }
        if self.on_disk.is_none() {
            self.queued.push_back((end, item));
        }
    }

    pub(super) fn queued(&mut self) -> impl Iterator<Item = &mut T> {
        self.queued.iter_mut().map(|(_, item)| item)
    }

    pub(super) fn next(&mut self, most: usize) -> Next<T> {
        if !self.queued.is_empty() {
            let count = most.min(self.queued.len());
            let next = Next::Queued(self.queued.drain(..count).collect());
            if self.queued.is_empty() {
                // The memory of an outage isn't kept for ever.
                self.queued.shrink_to(most);
            }
            return next;
        }
        self.on_disk.map_or(Next::Nothing, Next::OnDisk)
    }

    /// Everything on disk before `to` was taken; `end` is where the next record will be written.
    pub(super) fn read_to(&mut self, to: Position, end: Position) {
        self.on_disk = Some(to).filter(|&to| to < end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_bound_it_says_where_to_read_on() {
        let mut queue = Queue::new(3);
        let at = |place: u64| Position(place);
        for place in 0..5 {
            queue.push(at(place), at(place + 1), place);
        }
        let Next::Queued(first) = queue.next(2) else { panic!("nothing queued") };
        assert_eq!(first, [(at(1), 0), (at(2), 1)]);
        // What comes while something is on disk goes there, too.
        queue.push(at(5), at(6), 5);
        let Next::Queued(second) = queue.next(2) else { panic!("nothing queued") };
        assert_eq!(second, [(at(3), 2)]);
        let Next::OnDisk(from) = queue.next(2) else { panic!("nothing on disk") };
        assert_eq!(from, at(3));
        queue.read_to(at(5), at(6));
        assert!(matches!(queue.next(2), Next::OnDisk(from) if from == at(5)));
        queue.read_to(at(6), at(6));
        assert!(matches!(queue.next(2), Next::Nothing) && queue.is_empty());
        queue.push(at(6), at(7), 6);
        assert_eq!(queue.len(), 1);
    }
}
