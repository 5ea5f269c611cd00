//! A queue in which everybody gets turns: members take turns round robin, and each member's own items go first in,
//! first out. Somebody with a hundred items waits no less long for the second than somebody else for the first. How long
//! anybody waits, and for what, is decided elsewhere.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Names an item in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// Items in a fair order.
#[derive(Debug)]
pub struct FairQueue<M, T> {
    /// Members with items; whoever has waited longest for a turn is first.
    turns: VecDeque<M>,
    items: HashMap<M, VecDeque<(Ticket, T)>>,
    length: usize,
    next: u64,
}

impl<M, T> Default for FairQueue<M, T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), items: HashMap::new(), length: 0, next: 0 }
    }
}

impl<M: Copy + Eq + Hash, T> FairQueue<M, T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds an item behind the member's others.
    pub fn push(&mut self, member: M, item: T) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        let own = self.items.entry(member).or_default();
        if own.is_empty() {
            self.turns.push_back(member);
        }
        own.push_back((ticket, item));
        self.length += 1;
        ticket
    }

    /// Takes an item out before its turn.
    pub fn remove(&mut self, member: M, ticket: Ticket) -> Option<T> {
        let own = self.items.get_mut(&member)?;
        let place = own.iter().position(|(other, _)| *other == ticket)?;
        let (_, item) = own.remove(place)?;
        self.length -= 1;
        if own.is_empty() {
            self.items.remove(&member);
            self.turns.retain(|other| *other != member);
        }
        Some(item)
    }

    /// Takes the first item, in fair order, for which `choose` has an answer; its member is last in turn then.
    pub fn take<A>(&mut self, mut choose: impl FnMut(&T) -> Option<A>) -> Option<(T, A)> {
        let (turn, place, answer) = self.turns.iter().enumerate().find_map(|(turn, member)| {
            let own = self.items.get(member)?.iter().enumerate();
            own.into_iter().find_map(|(place, (_, item))| Some((turn, place, choose(item)?)))
        })?;
        let member = self.turns.remove(turn)?;
        let own = self.items.get_mut(&member)?;
        let (_, item) = own.remove(place)?;
        self.length -= 1;
        if own.is_empty() {
            self.items.remove(&member);
        } else {
            self.turns.push_back(member);
        }
        Some((item, answer))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(queue: &mut FairQueue<u8, u32>) -> Option<u32> {
        queue.take(|_| Some(())).map(|(item, ())| item)
    }

    #[test]
    fn members_take_turns() {
        let mut queue = FairQueue::default();
        for item in 0..5 {
            queue.push(1, 10 + item);
        }
        queue.push(2, 20);
        queue.push(2, 21);
        queue.push(3, 30);
        let order: Vec<u32> = std::iter::from_fn(|| next(&mut queue)).collect();
        assert_eq!(order, [10, 20, 30, 11, 21, 12, 13, 14]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_can_not_be_served_keeps_the_turn() {
        let mut queue = FairQueue::default();
        queue.push(1, 10);
        queue.push(2, 21);
        queue.push(2, 22);
        let even = |item: &u32| (item.is_multiple_of(2) && *item > 20).then_some(());
        assert_eq!(queue.take(even).map(|(item, ())| item), Some(22));
        assert_eq!((next(&mut queue), next(&mut queue), next(&mut queue)), (Some(10), Some(21), None));
    }

    proptest! {
        #[test]
        fn nobody_is_lost_or_overtaken_twice(steps in prop::collection::vec((0..4_u8, 0..3_u8), 1..200)) {
            let mut queue = FairQueue::default();
            let (mut inside, mut count): (Vec<(u8, Ticket, u32)>, u32) = (Vec::new(), 0);
            for (kind, member) in steps {
                match kind {
                    0 | 1 => {
                        count += 1;
                        inside.push((member, queue.push(member, count), count));
                    }
                    2 if !inside.is_empty() => {
                        let (member, ticket, item) = inside.remove(usize::from(member) % inside.len());
                        prop_assert_eq!(queue.remove(member, ticket), Some(item));
                        prop_assert_eq!(queue.remove(member, ticket), None);
                    }
                    _ => {
                        let taken = next(&mut queue);
                        prop_assert_eq!(taken.is_some(), !inside.is_empty());
                        if let Some(taken) = taken {
                            let place = inside.iter().position(|(.., item)| *item == taken).unwrap();
                            let (member, ..) = inside.remove(place);
                            let earlier = inside.iter().any(|(other, _, item)| *other == member && *item < taken);
                            prop_assert!(!earlier, "one's own items go first in, first out");
                        }
                    }
                }
                prop_assert_eq!(queue.len(), inside.len());
            }
        }
    }
}
