//! When orders begin.

use std::time::{Duration, Instant};

/// What makes an order begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The end of another: as many are under way as there are workers.
    Closed,
    /// The clock: so many begin in a second, whatever has become of those before.
    Open {
        /// Orders per second.
        per_second: f64,
    },
}

impl Pace {
    /// When the order with this number, counted from 0, is to begin, if that is not as soon as a worker is free.
    pub(crate) fn due(self, begun: Instant, order: u64) -> Option<Instant> {
        match self {
            Pace::Closed => None,
            Pace::Open { per_second } => {
                // More than a century, or no number at all: never, as far as anybody waits.
                let after = Duration::try_from_secs_f64(order as f64 / per_second).ok()?;
                begun.checked_add(after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_goes_by_the_clock() {
        let begun = Instant::now();
        assert_eq!(Pace::Closed.due(begun, 7), None);
        let pace = Pace::Open { per_second: 4.0 };
        assert_eq!(pace.due(begun, 0), Some(begun));
        assert_eq!(pace.due(begun, 6), Some(begun + Duration::from_millis(1500)));
    }
}
