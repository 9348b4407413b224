//! Words for what an inventory found.

use crate::inventory::Tally;

/// How it ended, and what somebody should look at.
pub(super) fn finished(cancelled: bool, read: u32, not_read: u32, found: &Tally) -> String {
    let ended = if cancelled { "The inventory was ended early" } else { "The inventory is done" };
    let left = match not_read {
        0 => String::new(),
        n => format!(", {n} were not"),
    };
    let what = [
        (found.ghost, "should have been gone and may still open"),
        (found.duplicate, "stand twice under one name"),
        (found.missing, "should be there and are not"),
        (found.changed, "were changed by somebody"),
        (found.unknown, "are not ours"),
    ];
    let look: Vec<String> =
        what.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    let said = if look.is_empty() { "everything found is ours and as recorded".to_owned() } else { look.join(", ") };
    format!("{ended}: {read} locks were read{left}. Of the credentials, {said}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_to_look_at() {
        let quiet = finished(false, 3, 0, &Tally { as_recorded: 9, ..Tally::default() });
        assert_eq!(
            quiet,
            "The inventory is done: 3 locks were read. Of the credentials, everything found is ours and as recorded."
        );
        let loud = finished(true, 1, 2, &Tally { ghost: 1, unknown: 4, ..Tally::default() });
        assert_eq!(
            loud,
            "The inventory was ended early: 1 locks were read, 2 were not. Of the credentials, 1 should have been gone and may still open, 4 are \
             not ours."
        );
    }
}
