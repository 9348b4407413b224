//! Where stays go that wait for a vendor that is down: the drain plan.
//!
//! ```text
//! channel   | a stay may go there if
//! ----------+-----------------------------------------------------------------------------------------------------------
//! a vendor  | PINs can be made there, its breaker is closed, every room of the stay has a door of it, it has room for the stay's
//!           | keys, and the stay has not been there before in this outage
//! the desk  | always, once
//! ```
//! The first channel in the property's order that fits is taken; whoever fits nowhere goes to the desk. Stays are taken in the order of
//! arrival, then of acceptance, so that what is scarce goes to who needs it first.
//!
//! It must not know how a stay is moved, or who keeps the plan. It can't fail.

use crate::{ids::StayId, policy::PolicyError, vendor::VendorTraits};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, convert::Infallible, fmt, str::FromStr};

/// Where a stay may go. In JSON and SQL the vendor's name, or `desk`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Channel {
    /// To people.
    Desk,
    /// To another vendor's doors of the same rooms.
    Vendor(String),
}

impl Channel {
    /// The desk's name.
    pub const DESK: &'static str = "desk";
}

impl From<String> for Channel {
    fn from(name: String) -> Self {
        if name == Self::DESK { Self::Desk } else { Self::Vendor(name) }
    }
}

impl FromStr for Channel {
    type Err = Infallible;
    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::from(name.to_owned()))
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.to_string()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Desk => Self::DESK,
            Self::Vendor(name) => name,
        })
    }
}

impl utoipa::PartialSchema for Channel {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).into()
    }
}

impl utoipa::ToSchema for Channel {}

/// A property's choices about stays that wait for a vendor that is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OnVendorDown {
    /// Nobody goes anywhere before the vendor has been down for so many seconds: most outages are short.
    pub after_s: u32,
    /// Where stays go, the best first. Left out: every standby vendor of the property by its rank, then the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Channel>>,
    /// Only stays that arrive within so many hours go anywhere; those that arrive later have time to wait.
    pub arriving_within_h: u32,
    /// So often, in seconds, is looked who waits now.
    pub look_every_s: u32,
}

impl Default for OnVendorDown {
    fn default() -> Self {
        Self { after_s: 10 * 60, channels: None, arriving_within_h: 6, look_every_s: 60 }
    }
}

/// A choice that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrainPolicyError {
    /// A number is out of its range.
    #[error(transparent)]
    Range(#[from] PolicyError),
    /// The property has no such vendor beside its main one.
    #[error("the property has no standby vendor `{0}`")]
    Unknown(Channel),
    /// A channel is named twice.
    #[error("`{0}` is named twice")]
    Twice(Channel),
}

impl OnVendorDown {
    /// Checks ranges and names. `standby` are the vendors that the property has beside its main one.
    pub fn check(&self, standby: &[String]) -> Result<(), DrainPolicyError> {
        let ranges = [
            ("after_s", self.after_s, 0, 24 * 3600),
            ("arriving_within_h", self.arriving_within_h, 1, 7 * 24),
            ("look_every_s", self.look_every_s, 1, 3600),
        ];
        if let Some((field, _, least, most)) =
            ranges.into_iter().find(|(_, v, least, most)| !(*least..=*most).contains(v))
        {
            return Err(PolicyError { field, least, most }.into());
        }
        let channels = self.channels.as_deref().unwrap_or_default();
        for (n, channel) in channels.iter().enumerate() {
            if channels[..n].contains(channel) {
                return Err(DrainPolicyError::Twice(channel.clone()));
            }
            if let Channel::Vendor(name) = channel
                && !standby.contains(name)
            {
                return Err(DrainPolicyError::Unknown(channel.clone()));
            }
        }
        Ok(())
    }

    /// [`Self::after_s`] as a duration.
    pub fn after(&self) -> SignedDuration {
        SignedDuration::from_secs(self.after_s.into())
    }

    /// Stays that arrive until then may go.
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_hours(self.arriving_within_h.into())).unwrap_or(Timestamp::MAX)
    }

    /// The channels in their order. `standby` is in the order of ranks.
    fn order(&self, standby: &[Standby]) -> Vec<Channel> {
        let by_rank = || standby.iter().map(|s| Channel::Vendor(s.vendor.clone())).collect();
        self.channels.clone().unwrap_or_else(by_rank)
    }
}

/// A stay that waits for a vendor that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The stay.
    pub stay: StayId,
    /// When it begins.
    pub arrival: Timestamp,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// How many keys it wants.
    pub keys: u32,
    /// Vendors that have a door of every room of the stay; none while it moves, as it can't change vendors then.
    pub doors_at: Vec<String>,
    /// Where it has been sent before in this outage, but for what is over.
    pub tried: Vec<Channel>,
}

/// A vendor that a property has beside its main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// Its name.
    pub vendor: String,
    /// Its breaker is closed.
    pub works: bool,
    /// How many more keys it can have; `None` is any number.
    pub free: Option<u32>,
}

impl Standby {
    /// Whether its traits allow it. What was set up when the table said otherwise goes to the desk.
    fn can_be_used(&self) -> bool {
        VendorTraits::of(&self.vendor).can_stand_by()
    }
}

/// Where one stay goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stay.
    pub stay: StayId,
    /// There.
    pub channel: Channel,
}

/// Where each of these stays goes now, in the order in which it is to be done: the table above. Who is with the desk already stays there.
pub fn plan(policy: &OnVendorDown, waiting: &[Waiting], standby: &[Standby]) -> Vec<Step> {
    let order = policy.order(standby);
    let mut free: BTreeMap<&str, Option<u32>> =
        standby.iter().filter(|s| s.works && s.can_be_used()).map(|s| (s.vendor.as_str(), s.free)).collect();
    let mut sorted: Vec<&Waiting> = waiting.iter().collect();
    sorted.sort_by_key(|w| (w.arrival, w.accepted, w.stay));
    sorted.dedup_by_key(|w| w.stay);
    let mut steps: Vec<Step> = Vec::with_capacity(sorted.len());
    for one in sorted {
        if one.tried.contains(&Channel::Desk) || steps.iter().any(|step| step.stay == one.stay) {
            continue;
        }
        let fits = |channel: &&Channel| match channel {
            Channel::Desk => true,
            Channel::Vendor(name) => {
                let room = free.get(name.as_str()).is_some_and(|free| free.is_none_or(|free| free >= one.keys));
                room && one.doors_at.contains(name) && !one.tried.contains(channel)
            }
        };
        let channel = order.iter().find(fits).cloned().unwrap_or(Channel::Desk);
        if let Channel::Vendor(name) = &channel
            && let Some(Some(left)) = free.get_mut(name.as_str())
        {
            *left = left.saturating_sub(one.keys);
        }
        steps.push(Step { stay: one.stay, channel });
    }
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    fn stay(n: u8) -> StayId {
        StayId::from_uuid(Uuid::from_u128(n.into()))
    }

    fn at(minute: u16) -> Timestamp {
        Timestamp::from_second(i64::from(minute) * 60).unwrap()
    }

    fn vendor(n: u8) -> String {
        ["salto_ks", "ttlock", "other"][usize::from(n % 3)].to_owned()
    }

    fn channel() -> impl Strategy<Value = Channel> {
        (0u8..4).prop_map(|n| if n == 3 { Channel::Desk } else { Channel::Vendor(vendor(n)) })
    }

    prop_compose! {
        fn waiting()(n in any::<u8>(), arrival in 0u16..50, accepted in 0u16..5, keys in 1u32..4,
                     doors in prop::collection::vec(0u8..3, 0..3), tried in prop::collection::vec(channel(), 0..2)) -> Waiting {
            let doors_at = doors.into_iter().map(vendor).collect();
            Waiting { stay: stay(n), arrival: at(arrival), accepted: at(accepted), keys, doors_at, tried }
        }
    }

    prop_compose! {
        fn standby()(works in prop::array::uniform3(any::<bool>()), free in prop::array::uniform3(prop::option::of(0u32..6)), all in 0usize..4) -> Vec<Standby> {
            (0u8..3).take(all).map(|n| Standby { vendor: vendor(n), works: works[usize::from(n)], free: free[usize::from(n)] }).collect()
        }
    }

    proptest! {
        /// The order is kept, nobody is there twice, nobody is lost, nobody goes where it is dark or full, and the desk is always possible.
        #[test]
        fn r_lock_01_the_plan_holds_what_it_promises(
            waiting in prop::collection::vec(waiting(), 0..40), standby in standby(), channels in prop::option::of(prop::collection::vec(channel(), 0..4)),
        ) {
            let policy = OnVendorDown { channels, ..OnVendorDown::default() };
            let mut seen = BTreeSet::new();
            let mut waiting: Vec<Waiting> = waiting.into_iter().filter(|w| seen.insert(w.stay)).collect();
            // The same once more changes nothing.
            waiting.extend(waiting.clone());
            let steps = plan(&policy, &waiting, &standby);
            let of = |id: StayId| waiting.iter().filter(move |w| w.stay == id);
            let places: Vec<_> = steps.iter().map(|s| of(s.stay).map(|w| (w.arrival, w.accepted)).min().unwrap()).collect();
            prop_assert!(places.is_sorted(), "arrival, then acceptance");
            let there: BTreeSet<_> = steps.iter().map(|s| s.stay).collect();
            prop_assert_eq!(there.len(), steps.len(), "nobody twice");
            for one in &waiting {
                let at_desk = of(one.stay).any(|w| w.tried.contains(&Channel::Desk));
                prop_assert!(there.contains(&one.stay) || at_desk, "nobody lost");
            }
            let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
            for step in &steps {
                let Channel::Vendor(name) = &step.channel else { continue };
                let open = standby.iter().any(|s| s.vendor == *name && s.works);
                prop_assert!(open, "never to a vendor whose breaker is open");
                prop_assert!(of(step.stay).any(|w| w.doors_at.contains(name) && !w.tried.contains(&step.channel)));
                *taken.entry(name).or_default() += of(step.stay).map(|w| w.keys).min().unwrap();
            }
            for (name, taken) in taken {
                let free = standby.iter().find(|s| s.vendor == name).and_then(|s| s.free);
                prop_assert!(free.is_none_or(|free| taken <= free), "{} of {:?}", taken, free);
            }
        }
    }

    fn one(n: u8, arrival: u16) -> Waiting {
        let doors_at = vec!["salto_ks".to_owned()];
        Waiting { stay: stay(n), arrival: at(arrival), accepted: at(0), keys: 1, doors_at, tried: vec![] }
    }

    #[test]
    fn what_is_scarce_goes_to_who_arrives_first() {
        let standby = [Standby { vendor: "salto_ks".to_owned(), works: true, free: Some(2) }];
        let steps = plan(&OnVendorDown::default(), &[one(1, 30), one(2, 10), one(3, 20)], &standby);
        let ks = || Channel::Vendor("salto_ks".to_owned());
        let expected = [(2, ks()), (3, ks()), (1, Channel::Desk)];
        assert_eq!(steps, expected.map(|(n, channel)| Step { stay: stay(n), channel }));
    }

    #[test]
    fn r_lock_01_a_vendor_of_cards_alone_gets_nobody() {
        for name in ["visionline", "vostio", "dormakaba"] {
            let standby = [Standby { vendor: name.to_owned(), works: true, free: None }];
            let waits = Waiting { doors_at: vec![name.to_owned()], ..one(1, 10) };
            let steps = plan(&OnVendorDown::default(), &[waits], &standby);
            assert_eq!(steps, [Step { stay: stay(1), channel: Channel::Desk }], "{name}");
        }
    }

    #[test]
    fn choices_are_checked_against_what_the_property_has() {
        let standby = ["salto_ks".to_owned()];
        let with = |text: &str| serde_json::from_str::<OnVendorDown>(text).unwrap().check(&standby);
        assert_eq!(with("{}"), Ok(()));
        assert_eq!(with(r#"{"channels":["salto_ks","desk"],"after_s":0}"#), Ok(()));
        assert_eq!(with(r#"{"channels":["desk","desk"]}"#), Err(DrainPolicyError::Twice(Channel::Desk)));
        assert!(matches!(with(r#"{"channels":["ttlock"]}"#), Err(DrainPolicyError::Unknown(_))));
        assert!(matches!(with(r#"{"arriving_within_h":0}"#), Err(DrainPolicyError::Range(_))));
    }
}
