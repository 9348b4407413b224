//! Users over SHIP: their fields, their lists, their cards.

use jiff::Span;
use jiff::civil::DateTime;

use super::journal::Effect;
use super::world::{Content, Key, User, UserCard, World};
use super::xml::Node;

/// An exception's number.
pub(crate) type Refused = i64;

const DOORS: &str = "SaltoDB.AccessPermissionList.User_Door";
const DOOR: &str = "SaltoDB.AccessPermission.User_Door";

/// Fields that a user has, besides its doors.
const FIELDS: &[&str] = &[
    "ExtUserID",
    "ExtPartitionID",
    "Title",
    "FirstName",
    "LastName",
    "Office",
    "AuditOpenings",
    "UseADA",
    "UseAntipassback",
    "CalendarID",
    "UseLockCalendar",
    "GPF1",
    "GPF2",
    "GPF3",
    "GPF4",
    "GPF5",
    "AutoKeyEdit.ROMCode",
    "UserActivation",
    "UserExpiration.Enabled",
    "UserExpiration",
    "KeyExpirationDifferentFromUserExpiration",
    "KeyRevalidation.UpdatePeriod",
    "KeyRevalidation.UnitOfUpdatePeriod",
    "PINEnabled",
    "PINCode",
    "WiegandCode",
    "IsBanned",
    "KeyIsCancellableThroughBlacklist",
    "LockdownEnabled",
    "OverrideLockdown",
    "OverridePrivacy",
    "LocationFunctionTimezoneTableID",
    "PhoneNumber",
    "MobileAppType",
    "ExtLimitedEntryGroupID",
    "PictureFileName",
];
/// Fields that the server writes; taken in an update and passed over.
const READ_ONLY: &[&str] =
    &["CurrentROMCode", "CurrentKeyExists", "CurrentKeyPeriod", "CurrentKeyStatus", "AuthorizationCodeList"];
const FLAGS: &[&str] = &[
    "UserExpiration.Enabled",
    "PINEnabled",
    "IsBanned",
    "KeyIsCancellableThroughBlacklist",
    "KeyExpirationDifferentFromUserExpiration",
];

fn time(text: &str) -> Option<DateTime> {
    match text.strip_suffix("T24:00:00") {
        Some(day) => DateTime::strptime("%Y-%m-%d", day).ok()?.checked_add(Span::new().days(1)).ok(),
        None => DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).ok(),
    }
}

fn stamp(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

impl World {
    /// From when until when a user may open anything, ms since the epoch.
    pub(crate) fn times_of(&self, user: &User) -> (i64, i64) {
        let field = |name: &str| user.fields.get(name).map(String::as_str).unwrap_or_default();
        if field("IsBanned") == "1" {
            return (0, 0);
        }
        let from = time(field("UserActivation")).map_or(0, |at| self.instant(at));
        let until = if field("UserExpiration.Enabled") == "1" { time(field("UserExpiration")) } else { None };
        (from, until.map_or(i64::MAX, |at| self.instant(at)))
    }

    /// Takes the fields of `record` over into `user`.
    fn fill(&self, user: &mut User, record: &Node) -> Result<(), Refused> {
        for field in &record.children {
            if field.name == DOORS {
                let mut doors = std::collections::BTreeSet::new();
                for permission in &field.children {
                    let door = permission.text_of("ExtDoorID").filter(|_| permission.name == DOOR).ok_or(501)?;
                    if !self.doors.contains_key(door) {
                        return Err(100);
                    }
                    doors.insert(door.to_owned());
                }
                user.doors = doors;
                continue;
            }
            if READ_ONLY.contains(&field.name.as_str()) || field.name.starts_with("SaltoDB.") {
                continue;
            }
            if !FIELDS.contains(&field.name.as_str()) {
                return Err(501);
            }
            if FLAGS.contains(&field.name.as_str()) && !matches!(field.text.as_str(), "0" | "1") {
                return Err(503);
            }
            if matches!(field.name.as_str(), "UserActivation" | "UserExpiration") && time(&field.text).is_none() {
                return Err(503);
            }
            if field.name == "PINCode" && !field.text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(503);
            }
            user.fields.insert(field.name.clone(), field.text.clone());
        }
        Ok(())
    }

    pub(crate) fn insert_user(&mut self, record: &Node) -> Result<Vec<Node>, Refused> {
        let id = record.text_of("ExtUserID").ok_or(12)?.to_owned();
        if self.users.contains_key(&id) {
            return Err(202);
        }
        if self.users.len() >= self.policy.most_users {
            return Err(14);
        }
        let mut user = User { version: 1, ..User::default() };
        self.fill(&mut user, record)?;
        self.users.insert(id.clone(), user);
        self.note(Effect::UserAdded, &id, "");
        Ok(vec![Node::leaf("ExtUserID", id)])
    }

    pub(crate) fn update_user(&mut self, record: &Node) -> Result<Vec<Node>, Refused> {
        let id = record.text_of("ExtUserID").ok_or(12)?.to_owned();
        let old = self.users.get(&id).ok_or(200)?.clone();
        let mut user = if self.policy.update_replaces {
            User { key: old.key, version: old.version, ..User::default() }
        } else {
            old.clone()
        };
        self.fill(&mut user, record)?;
        let changed = user.fields != old.fields || user.doors != old.doors;
        user.version = user.version.saturating_add(u64::from(changed));
        self.users.insert(id.clone(), user);
        if changed {
            self.note(Effect::UserChanged, &id, "");
        }
        Ok(vec![Node::leaf("ExtUserID", id)])
    }

    pub(crate) fn delete_user(&mut self, id: Option<&str>) -> Result<Vec<Node>, Refused> {
        let id = id.ok_or(12)?;
        let user = self.users.remove(id).ok_or(200)?;
        if let Some(key) = user.key {
            self.cancelled.insert(key.id);
        }
        self.note(Effect::UserDeleted, id, "");
        Ok(Vec::new())
    }

    pub(crate) fn list_users(&self, params: &Node) -> Result<Vec<Node>, Refused> {
        let most = count(params)?;
        let with_doors = params.text_of("ReturnAccessPermissions_User_Door") == Some("1");
        let start = params.text_of("StartingFromExtUserID");
        let ids = page(self.users.keys().map(String::as_str), start, self.policy.page_repeats_last, most);
        let rows = ids.0.iter().filter_map(|id| Some(self.user_node(id, self.users.get(*id)?, with_doors))).collect();
        Ok(vec![Node::list("SaltoDBUserList", rows), Node::leaf("EOF", u8::from(ids.1))])
    }

    fn user_node(&self, id: &str, user: &User, with_doors: bool) -> Node {
        let mut children = vec![Node::leaf("ExtUserID", id)];
        children.extend(
            user.fields.iter().filter(|(name, _)| *name != "ExtUserID").map(|(name, text)| Node::leaf(name, text)),
        );
        children.push(Node::leaf("CurrentKeyExists", u8::from(user.key.is_some())));
        if let Some(key) = user.key {
            children.push(Node::list(
                "CurrentKeyPeriod",
                vec![
                    Node::leaf("StartDate", stamp(self.local(key.from))),
                    Node::leaf("EndDate", stamp(self.local(key.until.min(4_102_444_800_000)))),
                ],
            ));
        }
        let status = match user.key {
            None => 0,
            Some(key) if self.now() >= key.until => 5,
            Some(key) if key.version == user.version => 1,
            Some(_) => 3,
        };
        children.push(Node::leaf("CurrentKeyStatus", status));
        children.push(Node::list("AuthorizationCodeList", Vec::new()));
        if with_doors {
            let permission = |door: &String| {
                let period =
                    vec![Node::leaf("StartDate", "1900-01-01T00:00:00"), Node::leaf("EndDate", "1900-01-01T00:00:00")];
                let fields = vec![
                    Node::leaf("ExtUserID", id),
                    Node::leaf("ExtDoorID", door),
                    Node::leaf("TimezoneTableID", 0),
                    Node::leaf("UsePeriod", 0),
                    Node::list("Period", period),
                ];
                Node::list(DOOR, fields)
            };
            children.push(Node::list(DOORS, user.doors.iter().map(permission).collect()));
        }
        Node::list("SaltoDBUser", children)
    }

    /// Writes a user's first card, or brings the one that lies on the encoder up to date.
    pub(crate) fn write_user(&mut self, id: &str, card: u64, first: bool) -> Result<Vec<Node>, Refused> {
        let user = self.users.get(id).ok_or(200)?.clone();
        match self.cards.get(&card) {
            None | Some(Content::Foreign) => return Err(302),
            Some(Content::Staff) => return Err(203),
            Some(Content::User(found)) => {
                let current = |owner: &User| owner.key.is_some_and(|key| key.id == found.key);
                if found.user != id && self.users.get(&found.user).is_some_and(current) {
                    return Err(203);
                }
                if !first && (found.user != id || !current(&user)) {
                    return Err(203);
                }
            }
            Some(_) if !first => return Err(203),
            Some(_) => {}
        }
        let key = match (user.key, first) {
            (Some(_), true) => return Err(305),
            (None, false) => return Err(300),
            (Some(key), false) => key.id,
            (None, true) => self.next_id(),
        };
        let (from, until) = self.times_of(&user);
        let content = UserCard {
            user: id.to_owned(),
            key,
            doors: user.doors.clone(),
            from,
            until,
            blacklist: self.cancelled.clone(),
        };
        self.cards.insert(card, Content::User(content));
        let version = user.version;
        self.users.entry(id.to_owned()).and_modify(|user| user.key = Some(Key { id: key, version, from, until }));
        self.note(Effect::UserCardWritten, id, "");
        Ok(vec![Node::leaf("ExtUserID", id)])
    }
}

/// `MaxCount`.
pub(crate) fn count(params: &Node) -> Result<usize, Refused> {
    params.text_of("MaxCount").ok_or(12)?.parse().map_err(|_| 503)
}

/// A page of sorted ids, and whether it is the last.
pub(crate) fn page<'a>(
    ids: impl Iterator<Item = &'a str>,
    start: Option<&str>,
    repeats: bool,
    most: usize,
) -> (Vec<&'a str>, bool) {
    let mut rest = ids.filter(|id| start.is_none_or(|start| if repeats { *id >= start } else { *id > start }));
    let page: Vec<_> = rest.by_ref().take(most).collect();
    (page, rest.next().is_none())
}
