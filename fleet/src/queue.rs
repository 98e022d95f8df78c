//! What is to happen, in the order of its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use world::Timestamp;

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wake {
    /// The outage with this number begins.
    OutageBegins(u32),
    /// It ends.
    OutageEnds(u32),
    /// The account with this number of the list is registered.
    Register(u32),
    /// The certificate must be issued.
    Due(u32),
    /// Its order is sent, again.
    Order(u32),
    /// What held it back after a failure is over.
    Released(u32),
    /// Its order is asked for.
    Finish(u32),
    /// Its certificate ends, if it is still that of the issuance with this number.
    Expire(u32, u32),
}

/// A queue in virtual time. What is due at one moment comes in the order in which it was put in.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Timestamp, u64, Wake)>>,
    next: u64,
}

impl Queue {
    /// Puts it in, for `at`.
    pub(crate) fn push(&mut self, at: Timestamp, wake: Wake) {
        self.heap.push(Reverse((at, self.next, wake)));
        self.next += 1;
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) -> Option<(Timestamp, Wake)> {
        self.heap.pop().map(|Reverse((at, _, wake))| (at, wake))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a stable sort.
        #[test]
        fn it_is_in_the_order_of_time_then_of_coming(times in prop::collection::vec(0_i64..20, 0..200)) {
            let mut queue = Queue::default();
            let mut wanted: Vec<(Timestamp, Wake)> = Vec::new();
            for (n, secs) in times.iter().enumerate() {
                let (at, wake) = (Timestamp::from_unix_secs(*secs), Wake::Due(u32::try_from(n).unwrap()));
                queue.push(at, wake);
                wanted.push((at, wake));
            }
            wanted.sort_by_key(|(at, _)| *at);
            let found: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn what_is_put_in_meanwhile_comes_after_what_was_there_for_the_same_moment() {
        let mut queue = Queue::default();
        let at = Timestamp::from_unix_secs(1);
        queue.push(at, Wake::Due(1));
        queue.push(at, Wake::Due(2));
        assert_eq!(queue.pop(), Some((at, Wake::Due(1))));
        queue.push(at, Wake::Finish(1));
        assert_eq!(queue.pop(), Some((at, Wake::Due(2))));
        assert_eq!(queue.pop(), Some((at, Wake::Finish(1))));
        assert_eq!(queue.pop(), None);
    }
}
