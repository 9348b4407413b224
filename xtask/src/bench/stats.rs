//! Percentiles. Pure.

/// Durations in milliseconds, sorted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Times {
    sorted_ms: Vec<f64>,
}

impl Times {
    /// Of these durations in milliseconds, in any order.
    #[must_use]
    pub fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self { sorted_ms: ms }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::of([self.sorted_ms, other.sorted_ms].concat())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted_ms.len()
    }

    /// The nearest-rank percentile; 0 when there is nothing.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.sorted_ms.len() * percent).div_ceil(100);
        self.sorted_ms.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let times = Times::of((1..=200).rev().map(f64::from).collect());
        assert!((times.percentile(50) - 100.0).abs() < 1e-9);
        assert!((times.percentile(99) - 198.0).abs() < 1e-9);
        assert!((times.percentile(100) - 200.0).abs() < 1e-9);
        assert!(Times::default().percentile(50).abs() < 1e-9);
    }
}
