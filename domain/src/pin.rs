//! Which PINs are fit to open a door.
//!
//! A weak PIN is one that a stranger tries first, or that a vendor refuses (TTLock: errcode -2032). Randomness comes from the caller.

/// Why a PIN is refused. The PIN itself is never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Something else than the digits 0 to 9.
    #[error("a PIN has digits only")]
    NotDigits,
    /// Too short or too long for keypads.
    #[error("a PIN has 4 to 9 digits")]
    Length,
    /// A stranger would try it: repeated, in sequence, or a repeated group.
    #[error("the PIN is too easy to guess")]
    Weak,
}

/// Checks a PIN that somebody chose.
pub fn check(pin: &str) -> Result<(), PinError> {
    if !pin.bytes().all(|b| b.is_ascii_digit()) {
        Err(PinError::NotDigits)
    } else if !(4..=9).contains(&pin.len()) {
        Err(PinError::Length)
    } else if is_weak(pin.as_bytes()) {
        Err(PinError::Weak)
    } else {
        Ok(())
    }
}

/// Whether digits (ASCII) are of a kind that people try: fewer than three different digits, all in sequence up or down (with
/// wrap-around), a group repeated (`123123`), or a mirror image (`123321`).
fn is_weak(digits: &[u8]) -> bool {
    let distinct = (b'0'..=b'9').filter(|d| digits.contains(d)).count();
    let steps = |by: u8| digits.windows(2).all(|w| (w[0] - b'0' + by) % 10 == w[1] - b'0');
    let half = digits.len() / 2;
    let repeats = (2..=half)
        .any(|group| digits.len().is_multiple_of(group) && digits.chunks(group).all(|chunk| chunk == &digits[..group]));
    let mirrored = digits.iter().eq(digits.iter().rev());
    distinct < 3 || steps(1) || steps(9) || repeats || mirrored
}

/// The PIN of so many digits that `random` stands for, or `None` if that one is weak: draw again.
///
/// `random` should be uniform over all of `u64`; the bias of the remainder is below one in ten thousand million.
pub fn from_random(random: u64, digits: u8) -> Option<String> {
    let digits = digits.clamp(4, 9);
    let value = random % 10_u64.pow(u32::from(digits));
    let pin = format!("{value:0width$}", width = usize::from(digits));
    check(&pin).is_ok().then_some(pin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weak_ones_are_refused() {
        for weak in ["0000", "1234", "4321", "7890", "0123", "112112", "123321", "565656", "1122", "987654"] {
            assert_eq!(check(weak), Err(PinError::Weak), "{weak}");
        }
        for fit in ["4829", "730518", "102938475", "1357"] {
            assert_eq!(check(fit), Ok(()), "{fit}");
        }
        assert_eq!(check("12a4"), Err(PinError::NotDigits));
        assert_eq!(check("123"), Err(PinError::Length));
        assert_eq!(check("1234567890"), Err(PinError::Length));
    }

    proptest! {
        #[test]
        fn drawn_pins_are_fit(random: u64, digits in 4_u8..=9) {
            if let Some(pin) = from_random(random, digits) {
                prop_assert_eq!(pin.len(), usize::from(digits));
                prop_assert!(check(&pin).is_ok());
            }
        }
    }

    #[test]
    fn few_draws_are_thrown_away() {
        let kept = (0..1_000_000_u64).filter(|n| from_random(*n, 6).is_some()).count();
        assert!(kept > 980_000, "{kept} of a million six-digit PINs are fit");
    }
}
