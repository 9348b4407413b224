//! Repeatable choices: the same seed, booking and question give the same answer, in whatever order they are asked.
//!
//! SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Not for secrets.

/// Answers questions about one booking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    pub(crate) fn of(seed: u64, booking: u64) -> Self {
        Self { state: mix(seed ^ mix(booking)) }
    }

    /// A number below `bound`; `question` keeps independent choices apart.
    pub(crate) fn below(self, question: &str, bound: u32) -> u32 {
        let folded = question.bytes().fold(self.state, |state, byte| mix(state ^ u64::from(byte)));
        // The remainder's bias is far below what a hotel would notice.
        u32::try_from(mix(folded) % u64::from(bound.max(1))).unwrap_or(0)
    }

    pub(crate) fn one_in(self, question: &str, count: u32) -> bool {
        self.below(question, count) == 0
    }
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_spreads() {
        assert_eq!(Chance::of(1, 2).below("arrival", 480), Chance::of(1, 2).below("arrival", 480));
        let early = (0..1_000).filter(|n| Chance::of(7, *n).below("arrival", 100) < 50).count();
        assert!((420..580).contains(&early), "{early}");
        let agree = (0..1_000).filter(|n| Chance::of(7, *n).one_in("a", 2) == Chance::of(7, *n).one_in("b", 2)).count();
        assert!((420..580).contains(&agree), "{agree}");
    }
}
