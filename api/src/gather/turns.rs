//! Who is served in which turn. Pure: no task, no clock.

use std::collections::VecDeque;

/// How much at once, and how much may wait. A weight is whatever the caller counts, bytes for example.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// So many in a turn.
    pub(crate) turn: usize,
    /// So heavy is a turn, unless its first is heavier by itself.
    pub(crate) turn_weight: usize,
    /// So many wait.
    pub(crate) waiting: usize,
    /// So heavy is what waits.
    pub(crate) waiting_weight: usize,
}

/// What waits while a turn is under way; one turn at a time.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    waiting: VecDeque<(T, usize)>,
    weight: usize,
    under_way: bool,
}

impl<T> Turns<T> {
    /// Nothing waits, and nothing is under way.
    pub(crate) const fn new() -> Self {
        Self { waiting: VecDeque::new(), weight: 0, under_way: false }
    }

    /// Takes something in, or gives it back if too much waits. True if no turn is under way: the caller has to take the next one at once.
    pub(crate) fn offer(&mut self, item: T, weight: usize, bounds: &Bounds) -> Result<bool, T> {
        let heavy = self.weight.saturating_add(weight) > bounds.waiting_weight && !self.waiting.is_empty();
        if self.waiting.len() >= bounds.waiting || heavy {
            return Err(item);
        }
        self.waiting.push_back((item, weight));
        self.weight = self.weight.saturating_add(weight);
        Ok(!std::mem::replace(&mut self.under_way, true))
    }

    /// What the next turn serves, in the order in which it came. `None` if nothing waits: then the last turn is over.
    pub(crate) fn next(&mut self, bounds: &Bounds) -> Option<Vec<T>> {
        let (mut turn, mut weight) = (Vec::new(), 0_usize);
        while let Some((_, own)) = self.waiting.front() {
            let full = turn.len() >= bounds.turn || weight.saturating_add(*own) > bounds.turn_weight;
            if full && !turn.is_empty() {
                break;
            }
            let Some((item, own)) = self.waiting.pop_front() else { break };
            weight = weight.saturating_add(own);
            turn.push(item);
        }
        self.weight = self.weight.saturating_sub(weight);
        self.under_way = !turn.is_empty();
        self.under_way.then_some(turn)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { turn: 3, turn_weight: 10, waiting: 5, waiting_weight: 20 };

    #[test]
    fn the_first_goes_at_once_and_the_others_together() {
        let mut turns = Turns::new();
        assert_eq!(turns.offer('a', 1, &BOUNDS), Ok(true));
        assert_eq!(turns.next(&BOUNDS), Some(vec!['a']));
        for name in ['b', 'c', 'd', 'e'] {
            assert_eq!(turns.offer(name, 1, &BOUNDS), Ok(false), "a turn is under way");
        }
        assert_eq!(turns.next(&BOUNDS), Some(vec!['b', 'c', 'd']), "no more than a turn's");
        assert_eq!(turns.next(&BOUNDS), Some(vec!['e']));
        assert_eq!(turns.next(&BOUNDS), None);
        assert_eq!(turns.offer('f', 1, &BOUNDS), Ok(true), "idle again");
    }

    #[test]
    fn too_many_or_too_heavy_ones_are_given_back_and_none_is_too_heavy_alone() {
        let mut turns = Turns::new();
        assert_eq!(turns.offer(0, 99, &BOUNDS), Ok(true));
        assert_eq!(turns.offer(1, 1, &BOUNDS), Err(1));
        assert_eq!(turns.next(&BOUNDS), Some(vec![0]));
        for n in 2..7 {
            assert_eq!(turns.offer(n, 4, &BOUNDS), Ok(false));
        }
        assert_eq!((turns.offer(7, 0, &BOUNDS), turns.waiting()), (Err(7), 5));
        assert_eq!(turns.next(&BOUNDS), Some(vec![2, 3]), "a third would be too heavy");
        assert_eq!(turns.offer(8, 9, &BOUNDS), Err(8));
        assert_eq!(turns.offer(8, 8, &BOUNDS), Ok(false));
    }

    proptest! {
        /// Whatever comes when: what was taken in is served once and in its order, within the bounds, one turn at a time.
        #[test]
        fn nothing_is_lost_doubled_or_overtaken(steps in proptest::collection::vec(proptest::option::of(0..12_usize), 0..200)) {
            let (mut turns, mut under_way, mut taken, mut served) = (Turns::new(), false, Vec::new(), Vec::new());
            for (n, step) in steps.into_iter().chain([None; 300]).enumerate() {
                match step {
                    Some(weight) => match turns.offer((n, weight), weight, &BOUNDS) {
                        Ok(begin) => {
                            taken.push(n);
                            prop_assert_eq!(begin, !under_way);
                            if begin {
                                let turn = turns.next(&BOUNDS).unwrap();
                                served.extend(turn.iter().map(|item| item.0));
                                under_way = true;
                            }
                        }
                        Err(back) => prop_assert_eq!(back, (n, weight)),
                    },
                    None if under_way => match turns.next(&BOUNDS) {
                        Some(turn) => {
                            let weight: usize = turn.iter().map(|item| item.1).sum();
                            prop_assert!(turn.len() <= BOUNDS.turn && (weight <= BOUNDS.turn_weight || turn.len() == 1));
                            served.extend(turn.into_iter().map(|item| item.0));
                        }
                        None => under_way = false,
                    },
                    None => {}
                }
                prop_assert!(turns.waiting() <= BOUNDS.waiting);
            }
            prop_assert!(!under_way && turns.waiting() == 0);
            prop_assert_eq!(served, taken);
        }
    }
}
