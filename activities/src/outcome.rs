//! From what came of an effect to what the record, the log and the workflow are told. Pure.
//!
//! ```text
//! round    | action | credential is then | told to the workflow | event
//! ---------+--------+--------------------+----------------------+----------------------------
//! Live     | any    | live               | live                 | credential live (not: read)
//! Gone     | any    | gone               | gone                 | credential gone
//! Refused  | issue  | refused            | refused              | effect refused
//! Refused  | revoke | revoking           | refused              | effect refused
//! Refused  | else   | live               | refused              | effect refused
//! Again    | issue  | issuing/unconfirmed| unconfirmed          | effect pending, once a round
//! Again    | revoke | revoking           | unconfirmed          | effect pending, once a round
//! Again    | else   | live               | unconfirmed          | effect pending, once a round
//! ```

use crate::vendor_step::Round;
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    event::Event,
    problem::Code,
    stay::{Action, Effect, Known},
    window::Window,
};
use lock_store::{EffectTarget, OutcomeKind};

/// What everybody is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) kind: OutcomeKind,
    pub(crate) state: CredentialState,
    pub(crate) known: Known,
    pub(crate) vendor_ref: Option<String>,
    pub(crate) requested: Option<Window>,
    pub(crate) effective: Option<Window>,
    pub(crate) code: Option<Code>,
    pub(crate) still_valid_until: Option<Timestamp>,
    /// Something was sent, and nobody knows its effect.
    pub(crate) unresolved: bool,
    pub(crate) event: Option<Event>,
}

/// What a credential is taken for while an effect is under way.
pub(crate) fn during(action: Action, before: CredentialState) -> CredentialState {
    match action {
        Action::Issue { .. } => CredentialState::Issuing,
        Action::Revoke => CredentialState::Revoking,
        Action::Change { .. } | Action::Read { .. } => before,
    }
}

/// What a credential is taken for while its effect is held back: nothing is sent, so what may open before may open now.
pub(crate) fn waiting(action: Action, before: CredentialState) -> CredentialState {
    match (action, before) {
        (Action::Issue { .. }, CredentialState::Planned | CredentialState::Gone | CredentialState::Refused) => {
            CredentialState::Issuing
        }
        (_, before) => before,
    }
}

/// Whether a credential takes up room in its lock, as far as anyone can know. One that was refused after an attempt of which nobody knows
/// the end does not: it would ask for no place, and nobody would give way to it.
pub(crate) fn stands(target: &EffectTarget) -> bool {
    let there =
        matches!(target.state, CredentialState::Live | CredentialState::Unconfirmed | CredentialState::Revoking);
    there || target.open_intent.is_some()
}

/// Whether nothing needs to be sent, because an earlier run of the same effect has proven it.
pub(crate) fn proven_before(action: Action, target: &EffectTarget) -> Option<Known> {
    if target.open_intent.is_some() {
        return None;
    }
    match (action, target.state) {
        (Action::Issue { window } | Action::Change { window }, CredentialState::Live)
            if target.requested == Some(window) =>
        {
            Some(Known::Live { window })
        }
        (Action::Revoke, CredentialState::Gone) => Some(Known::Gone),
        _ => None,
    }
}

/// The table above. `first` is whether this is the first try of its round.
pub(crate) fn told(effect: &Effect, target: &EffectTarget, round: &Round, first: bool) -> Told {
    let (key, door) = (effect.key, effect.door);
    let wanted = match effect.action {
        Action::Issue { window } | Action::Change { window } | Action::Read { window } => Some(window),
        Action::Revoke => None,
    };
    let standing = match effect.action {
        Action::Revoke => CredentialState::Revoking,
        _ => CredentialState::Live,
    };
    let still_valid_until = target.effective.filter(|_| effect.action == Action::Revoke).map(|w| w.until);
    let blank = Told {
        kind: OutcomeKind::Unconfirmed,
        state: standing,
        known: Known::CalledOff,
        vendor_ref: None,
        requested: None,
        effective: None,
        code: None,
        still_valid_until: None,
        unresolved: false,
        event: None,
    };
    match round {
        Round::Live { credential, adopted } => {
            let asked = wanted.or(target.requested).unwrap_or_else(|| credential.window.unwrap_or(FOREVER));
            let effective = credential.window.unwrap_or(asked);
            let quiet = matches!(effect.action, Action::Read { .. }) && target.effective == Some(effective);
            let event = Event::CredentialLive { key, door, window: effective, adopted: *adopted };
            Told {
                kind: OutcomeKind::Live,
                state: CredentialState::Live,
                known: Known::Live { window: asked },
                vendor_ref: Some(credential.reference.0.clone()),
                requested: Some(asked),
                effective: Some(effective),
                event: (!quiet).then_some(event),
                ..blank
            }
        }
        Round::Gone { already } => Told {
            kind: OutcomeKind::Gone,
            state: CredentialState::Gone,
            known: Known::Gone,
            event: Some(Event::CredentialGone { key, door, already: *already }),
            ..blank
        },
        Round::Refused(code) => Told {
            kind: OutcomeKind::Refused,
            state: if wanted_new(effect.action) { CredentialState::Refused } else { standing },
            known: Known::Refused { code: *code },
            code: Some(*code),
            still_valid_until,
            event: Some(Event::EffectRefused { key, door, code: *code }),
            ..blank
        },
        Round::Again { code, unproven, .. } => {
            let state = match (effect.action, unproven) {
                (Action::Issue { .. }, true) => CredentialState::Unconfirmed,
                (Action::Issue { .. }, false) => CredentialState::Issuing,
                _ => standing,
            };
            let event = Event::EffectPending { key, door, state, code: *code, still_valid_until };
            Told {
                state,
                known: Known::Unconfirmed { code: *code },
                code: Some(*code),
                still_valid_until,
                unresolved: *unproven,
                event: first.then_some(event),
                ..blank
            }
        }
    }
}

fn wanted_new(action: Action) -> bool {
    matches!(action, Action::Issue { .. })
}

/// What a vendor's "no window" means: no end.
const FOREVER: Window = Window { from: Timestamp::MIN, until: Timestamp::MAX };
