//! Words for what was asked of a stay, and for where it stands.

use crate::{
    command::VerbKind,
    stay::{EndCause, StayPhase},
};

/// What a verb asks for.
pub(super) fn asked(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::New => "make keys for a new stay",
        VerbKind::Duplicate => "make another key",
        VerbKind::Reissue => "replace a key",
        VerbKind::ModifyStay => "change the stay's dates",
        VerbKind::RoomMove => "move to another room",
        VerbKind::Suspend => "suspend the keys",
        VerbKind::Resume => "give the keys back",
        VerbKind::Remove => "take a key away",
        VerbKind::CheckOut => "check out",
        VerbKind::Cancel => "cancel the stay",
        VerbKind::Read => "read the locks back",
        VerbKind::Divert => "make the keys at another vendor's doors of the room",
        VerbKind::Used => "end a key that has opened its room",
        VerbKind::GiveWay => {
            "give a place in a full lock to a guest who arrives earlier; the key comes back when there is room"
        }
    }
}

/// The phase that a stay has come to, and why if it is over.
pub(super) fn entered(phase: StayPhase, cause: Option<EndCause>) -> &'static str {
    match (phase, cause) {
        (StayPhase::Planned, _) => "Planned: keys go into the locks shortly before arrival.",
        (StayPhase::Issuing, _) => "Keys are being put into the locks.",
        (StayPhase::Active, _) => "Every key of the stay is proven to be in every lock.",
        (StayPhase::Moving, _) => "Moving: the old room opens until the new one is proven.",
        (StayPhase::Suspended, _) => "Suspended: no key opens until somebody resumes.",
        (StayPhase::Ending, Some(EndCause::CheckedOut)) => "Checked out; keys are being taken out of the locks.",
        (StayPhase::Ending, Some(EndCause::Expired)) => {
            "The stay has run out without a check-out; keys are being taken out."
        }
        (StayPhase::Ending, Some(EndCause::Revoked)) => "Taken back; the one-shot key is being taken out of the lock.",
        (StayPhase::Ending, Some(EndCause::Used)) => {
            "Used; what is left of the one-shot key is being taken out of the lock."
        }
        (StayPhase::Ending, _) => "Cancelled; keys are being taken out of the locks.",
        (StayPhase::Ended, Some(EndCause::CheckedOut)) => "Over: checked out, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Cancelled)) => "Over: cancelled before arrival, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::NoShow)) => "Over: the guest never came, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Revoked)) => "Over: the one-shot key was taken back, and no lock opens.",
        (StayPhase::Ended, Some(EndCause::Used)) => "Over: the one-shot key was used, and no lock opens.",
        (StayPhase::Ended, _) => "Over: the window has ended, and no lock opens.",
    }
}
