//! What a stay is for: a guest's keys, or keys that open a room once.
//!
//! A one-shot key is a stay of its own beside the guest's: it claims no room, its dates are fixed, and it must never be made a second time
//! after it has opened. Everything else of it is what any stay does.

use super::*;

/// What kind of stay it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StayKind {
    /// A guest's.
    #[default]
    Guest,
    /// Keys that open one room once, for somebody who has no stay.
    OneShot,
}

impl StayKind {
    /// The kind's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::OneShot => "one_shot",
        }
    }

    /// Whether it is a guest's.
    pub fn is_guest(&self) -> bool {
        *self == Self::Guest
    }

    /// Whether a verb means something for this kind of stay. A one-shot key can be looked at and taken away, nothing else.
    pub fn allows(self, verb: VerbKind) -> Result<(), Code> {
        use VerbKind as V;
        match (self, verb) {
            (Self::Guest, V::Used) => Err(Code::KeyNotFound),
            (Self::Guest, _) | (Self::OneShot, V::New | V::Remove | V::CheckOut | V::Cancel | V::Read | V::Used) => {
                Ok(())
            }
            _ => Err(Code::OneShotFixed),
        }
    }
}

/// What a one-shot key is for. A closed list, so that nobody files guest data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A room is shown.
    ShowRoom,
    /// Something is repaired.
    Maintenance,
    /// The room is made up.
    Housekeeping,
    /// Somebody looks whether all is well.
    Inspection,
    /// Something is brought or fetched.
    Delivery,
    /// None of these.
    Other,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] =
        [Self::ShowRoom, Self::Maintenance, Self::Housekeeping, Self::Inspection, Self::Delivery, Self::Other];

    /// The purpose's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ShowRoom => "show_room",
            Self::Maintenance => "maintenance",
            Self::Housekeeping => "housekeeping",
            Self::Inspection => "inspection",
            Self::Delivery => "delivery",
            Self::Other => "other",
        }
    }
}

impl Stay {
    /// A one-shot key that stood in the lock and is found gone has been used, or somebody has taken it out: it must not open again.
    pub(super) fn spent(&mut self, effect: &Effect) {
        if self.kind.is_guest() || effect.action == Action::Revoke {
            return;
        }
        self.used(effect.key, None);
    }

    /// A key that opens once has done so: it is not wanted any more, and after the last one the stay is over.
    pub(super) fn used(&mut self, key: KeyId, by: Option<CommandId>) {
        self.keys.iter_mut().filter(|k| k.id == key).for_each(|key| key.wish = Wish::Unwanted);
        if self.ended.is_none() && self.keys.iter().all(|key| key.wish == Wish::Unwanted) {
            // Whoever asked for a look has had it.
            let looks = self.open.iter().filter(|c| c.verb == VerbKind::Read).map(|c| c.id).collect::<Vec<_>>();
            looks.into_iter().for_each(|id| self.settle_one(id, Verdict::Done));
            self.end(EndCause::Used, by);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::{command::NewKey, credential::CredentialState};
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-23T12:20:30Z")
    }

    fn command(n: u128, verb: Verb) -> Command {
        Command {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            id: CommandId::from_uuid(Uuid::from_u128(n)),
            verb,
            by: ApiKeyId::from_uuid(Uuid::from_u128(5)),
            at: now(),
            clock: ClockOffset::REAL,
            traceparent: None,
        }
    }

    fn key(n: u128) -> NewKey {
        NewKey { id: KeyId::from_uuid(Uuid::from_u128(n)), holder: 0 }
    }

    fn one_shot(keys: Vec<NewKey>) -> Stay {
        let id = StayRef {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            property: PropertyId::from_uuid(Uuid::from_u128(2)),
            reservation: "os-1".parse().unwrap(),
            stay: StayId::from_uuid(Uuid::from_u128(3)),
            reinstates: None,
        };
        let verb = Verb::New {
            kind: StayKind::OneShot,
            window: Window { from: now(), until: at("2026-11-23T18:00:00Z") },
            room: RoomId::from_uuid(Uuid::from_u128(101)),
            doors: vec![DoorId::from_uuid(Uuid::from_u128(101))],
            keys,
        };
        Stay::begin(id, StayPolicy::default(), &command(1, verb)).unwrap()
    }

    /// Performs what is due, each as `known` says.
    fn perform(stay: &mut Stay, known: impl Fn(Action) -> Known) -> Vec<Action> {
        let Next::Act(_, effects) = stay.next(now()) else { return Vec::new() };
        stay.sent(&effects);
        for effect in &effects {
            stay.record(effect, known(effect.action), now());
        }
        effects.iter().map(|effect| effect.action).collect()
    }

    fn live(action: Action) -> Known {
        match action {
            Action::Issue { window } | Action::Change { window } | Action::Read { window } => Known::Live { window },
            Action::Revoke => Known::Gone,
        }
    }

    #[test]
    fn it_is_not_padded() {
        let window = one_shot(vec![key(1)]).lock_window();
        assert_eq!((window.from, window.until), (at("2026-11-23T12:20:00Z"), at("2026-11-23T18:00:00Z")));
    }

    #[test]
    fn it_can_be_looked_at_and_taken_away_and_nothing_else() {
        let mut stay = one_shot(vec![key(1)]);
        perform(&mut stay, live);
        let window = Window { from: now(), until: at("2026-11-23T20:00:00Z") };
        let (room, doors) = (RoomId::from_uuid(Uuid::from_u128(102)), Vec::new());
        for verb in [
            Verb::Duplicate { keys: vec![key(2)] },
            Verb::Reissue { old: key(1).id, key: key(2) },
            Verb::ModifyStay { window, keys: vec![] },
            Verb::RoomMove { room, doors, keys: vec![] },
            Verb::Suspend,
        ] {
            assert_eq!(stay.check(&command(2, verb.clone()), now()), Err(Code::OneShotFixed), "{verb:?}");
        }
        for verb in [Verb::Remove { key: None }, Verb::CheckOut, Verb::Cancel, Verb::Read] {
            assert_eq!(stay.check(&command(2, verb), now()), Ok(()));
        }
        for verb in VerbKind::ALL.into_iter().filter(|verb| *verb != VerbKind::Used) {
            assert_eq!(StayKind::Guest.allows(verb), Ok(()));
        }
        assert!(StayKind::Guest.allows(VerbKind::Used).is_err(), "a guest's key opens more than once");
    }

    #[test]
    fn a_key_that_has_opened_goes_and_with_the_last_one_the_stay_is_over() {
        let mut stay = one_shot(vec![key(1), key(2)]);
        perform(&mut stay, live);
        let used = |n: u128, id| command(n, Verb::Used { key: id });
        assert_eq!(stay.check(&used(2, key(9).id), now()), Err(Code::KeyNotFound));
        stay.apply(&used(2, key(1).id), now()).unwrap();
        assert_eq!((perform(&mut stay, live), stay.ended), (vec![Action::Revoke], None), "its digits go from the lock");
        stay.apply(&used(3, key(2).id), now()).unwrap();
        assert_eq!(perform(&mut stay, live), [Action::Revoke]);
        assert_eq!((stay.phase(now()), stay.ended), (StayPhase::Ended, Some(EndCause::Used)));
        assert_eq!(stay.verdict(used(3, key(2).id).id), Some(Verdict::Done));
    }

    #[test]
    fn taken_back_it_is_revoked_whatever_the_time() {
        for verb in [Verb::Cancel, Verb::CheckOut] {
            let mut stay = one_shot(vec![key(1)]);
            perform(&mut stay, live);
            stay.apply(&command(2, verb), now()).unwrap();
            assert_eq!(perform(&mut stay, live), [Action::Revoke]);
            assert_eq!((stay.phase(now()), stay.ended), (StayPhase::Ended, Some(EndCause::Revoked)));
            assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Done));
        }
    }

    #[test]
    fn found_gone_it_is_spent_and_never_put_back() {
        let mut stay = one_shot(vec![key(1), key(2)]);
        perform(&mut stay, live);
        stay.apply(&command(2, Verb::Read), now()).unwrap();
        let Next::Act(Urgency::Read, effects) = stay.next(now()) else { panic!("nothing to read") };
        stay.record(&effects[0], Known::Gone, now());
        assert_eq!(stay.ended, None, "the other key has not been used");
        stay.record(&effects[1], Known::Gone, now());
        assert_eq!((stay.ended, stay.phase(now())), (Some(EndCause::Used), StayPhase::Ended));
        assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Done));
        assert_eq!(stay.next(now()), Next::Finish);
        assert!(stay.credentials().all(|(_, c)| c.state != CredentialState::Planned));
    }

    #[test]
    fn it_runs_out() {
        let mut stay = one_shot(vec![key(1)]);
        perform(&mut stay, live);
        assert_eq!(stay.next(now()), Next::Sleep(at("2026-11-23T18:00:00Z")));
        stay.tick(at("2026-11-23T18:00:00Z"));
        assert_eq!(stay.ended, Some(EndCause::Expired));
    }

    #[test]
    fn what_was_written_before_there_were_kinds_is_a_guest_s() {
        let stay = one_shot(vec![key(1)]);
        let mut json = serde_json::to_value(&stay).unwrap();
        assert_eq!(json["kind"], "one_shot");
        json.as_object_mut().unwrap().remove("kind");
        let old: Stay = serde_json::from_value(json).unwrap();
        assert!(old.kind.is_guest() && serde_json::to_value(&old).unwrap().get("kind").is_none());
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.name());
        }
    }
}
