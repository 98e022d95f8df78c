//! Chance, from the world's seed: every draw is remembered until the journal has it.

use world::Rng;

/// What was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// What for.
    pub what: &'static str,
    /// What came out.
    pub value: String,
}

/// The server's dice.
#[derive(Debug)]
pub struct Draws {
    rng: Rng,
    drawn: Vec<Drawn>,
}

impl Draws {
    /// Dice that repeat with the seed of `rng`.
    pub fn new(rng: Rng) -> Self {
        Draws { rng, drawn: Vec::new() }
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, what: &'static str, end: u64) -> u64 {
        let number = self.number(end);
        self.drawn.push(Drawn { what, value: number.to_string() });
        number
    }

    /// Yes in `percent` of a hundred cases. Nothing is drawn where only one answer is possible.
    pub fn percent(&mut self, what: &'static str, percent: u8) -> bool {
        if percent == 0 || percent >= 100 {
            return percent != 0;
        }
        let yes = self.number(100) < u64::from(percent);
        self.drawn.push(Drawn { what, value: if yes { "yes" } else { "no" }.to_owned() });
        yes
    }

    /// Brings `items` into any order.
    pub fn shuffle<T>(&mut self, what: &'static str, items: &mut [T]) {
        if items.len() < 2 {
            return;
        }
        let mut places: Vec<usize> = (0..items.len()).collect();
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.number(last as u64 + 1)).unwrap_or_default();
            items.swap(last, other);
            places.swap(last, other);
        }
        self.drawn.push(Drawn { what, value: format!("{places:?}") });
    }

    /// What was drawn since the last call.
    pub fn take(&mut self) -> Vec<Drawn> {
        std::mem::take(&mut self.drawn)
    }

    /// Without bias: the part of the range that does not divide evenly is drawn again.
    fn number(&mut self, end: u64) -> u64 {
        if end < 2 {
            return 0;
        }
        let zone = u64::MAX - u64::MAX % end;
        loop {
            let number = u64::from_be_bytes(self.rng.bytes());
            if number < zone {
                return number % end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_with_the_seed_and_are_remembered() {
        let run = || {
            let mut draws = Draws::new(Rng::from_seed(5));
            let mut items = ['a', 'b', 'c', 'd'];
            draws.shuffle("order", &mut items);
            let yes = (0..1000).filter(|_| draws.percent("reuse", 20)).count();
            assert!((150..250).contains(&yes), "{yes}");
            assert!(draws.percent("always", 100) && !draws.percent("never", 0));
            assert!(draws.below("sleep", 3) < 3);
            (items, draws.take())
        };
        let (items, drawn) = run();
        assert_eq!((items, drawn.clone()), run());
        assert_eq!((drawn.len(), drawn[0].what), (1002, "order"));
    }
}
