//! The life of a key, and the lock's clock, when the wire is well.

use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use lock_vendors::error::Condition;
use lock_vendors::port::{Deletion, Issued, VendorCredential};

use crate::notes::{Notes, Stop, yes};
use crate::suite::Run;

/// A clock that was set just now is right to so much, by the vendor's answer.
const SET_WITHIN: SignedDuration = SignedDuration::from_secs(90);

type Ended = Result<(), Stop>;

/// A key is made as it was asked for.
pub(crate) async fn create(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(0)?;
    let Issued { credential, pin } =
        run.vendor().issue(&run.call(), &spec).await.map_err(|error| Stop::Error("issue", error))?;
    let ours = spec.token.as_str().starts_with(credential.name.as_str());
    notes.expect("name", "as asked", if ours { "as asked" } else { "another" });
    notes.expect("window", "covers what was asked", covers(run, &credential));
    let makes = !run.can.choose_pin && run.can.pin;
    notes.expect("digits_told", yes(makes), yes(pin.is_some()));
    notes.note("confirmed_at_lock", yes(credential.confirmed_at_lock));
    Ok(())
}

/// What was made is found by its name, and nothing else is.
pub(crate) async fn read_back(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(0)?;
    let found = run.vendor().find(&run.call(), &run.doors, &spec.token).await;
    if !run.can.read_back {
        let refused = found.err().map(|error| error.condition());
        let seen = refused.map_or("answered", Condition::code);
        notes.expect("find", Condition::NotReadable.code(), seen);
        return Ok(());
    }
    let found = found.map_err(|error| Stop::Error("find", error))?;
    notes.expect("found", "yes", yes(found.is_some()));
    if let Some(found) = &found {
        notes.expect("window", "covers what was asked", covers(run, found));
    }
    let other = run.vendor().find(&run.call(), &run.doors, &run.tokens[3]).await;
    let other = other.map_err(|error| Stop::Error("find_another", error))?;
    notes.expect("another_name_found", "no", yes(other.is_some()));
    let rows = run.vendor().list(&run.call(), &run.doors[0]).await.map_err(|error| Stop::Error("list", error))?;
    notes.expect("listed", "once", times(rows.iter().filter(|row| row.name == spec.token.as_str()).count()));
    Ok(())
}

/// A key gets another end, and keeps its identity.
pub(crate) async fn change(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(0)?;
    if !run.can.change_window {
        return Err(Stop::Skip("the vendor can't change a key from afar".to_owned()));
    }
    let before = current(run).await?;
    let until = run.window.until.saturating_sub(SignedDuration::from_mins(30)).unwrap_or(run.window.until);
    let window = Window { until, ..run.window };
    let changed = run.vendor().change_window(&run.call(), &run.doors, &before.reference, &spec.token, window).await;
    let changed = changed.map_err(|error| Stop::Error("change_window", error))?;
    notes.expect("same_credential", "yes", yes(changed.reference == before.reference));
    let after = current(run).await?;
    let ends = |credential: &VendorCredential| credential.window.map(|window| window.until);
    notes.expect("end", "as asked", if ends(&after) == Some(until) { "as asked" } else { "another" });
    notes.note("told_end", if ends(&changed) == Some(until) { "as asked" } else { "another" });
    Ok(())
}

/// A key is taken away, and taking it away again does no harm.
pub(crate) async fn delete(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(0)?;
    let reference = if run.can.read_back {
        current(run).await?.reference
    } else {
        let again = run.vendor().issue(&run.call(), &spec).await.map_err(|error| Stop::Error("issue", error))?;
        again.credential.reference
    };
    let first = run.vendor().delete(&run.call(), &run.doors, &reference).await;
    notes.expect("first", "deleted", ended(first.map_err(|error| Stop::Error("delete", error))?));
    let second = run.vendor().delete(&run.call(), &run.doors, &reference).await;
    notes.expect("again", "already gone", ended(second.map_err(|error| Stop::Error("delete_again", error))?));
    if run.can.read_back {
        let left = run.vendor().find(&run.call(), run.where_found(), &spec.token).await;
        notes.expect("found", "no", yes(left.map_err(|error| Stop::Error("find", error))?.is_some()));
    }
    Ok(())
}

/// The same key asked for twice is one.
pub(crate) async fn duplicates(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(1)?;
    let first = run.vendor().issue(&run.call(), &spec).await.map_err(|error| Stop::Error("issue", error))?;
    let again = run.vendor().issue(&run.call(), &spec).await.map_err(|error| Stop::Error("issue_again", error))?;
    if run.can.read_back {
        let same = first.credential.reference == again.credential.reference;
        notes.expect("same_credential", "yes", yes(same));
        notes.expect("listed", "once", listed(run, spec.token.as_str()).await?);
    } else {
        // Nothing can be read here, so whether it is one is not judged; that it is taken is a fact.
        notes.note("again", "accepted");
    }
    let gone = run.vendor().delete(&run.call(), &run.doors, &again.credential.reference).await;
    gone.map_err(|error| Stop::Error("delete", error))?;
    Ok(())
}

/// The lock's clock can be read and set.
pub(crate) async fn clock(run: &Run<'_>, notes: &mut Notes) -> Ended {
    if !run.can.time_sync {
        return Err(Stop::Skip("the vendor tells no lock's clock".to_owned()));
    }
    let lock = &run.doors[0];
    run.vendor().lock_clock(&run.call(), lock).await.map_err(|error| Stop::Error("lock_clock", error))?;
    notes.note("read", "yes");
    let set = run.vendor().sync_clock(&run.call(), lock).await.map_err(|error| Stop::Error("sync_clock", error))?;
    let right = set.duration_since(Timestamp::now()).abs() <= SET_WITHIN;
    notes.expect("right_after_setting", "yes", yes(right));
    Ok(())
}

async fn current(run: &Run<'_>) -> Result<VendorCredential, Stop> {
    let found = run.vendor().find(&run.call(), run.where_found(), &run.tokens[0]).await;
    let found = found.map_err(|error| Stop::Error("find", error))?;
    found.ok_or_else(|| Stop::Skip("there is no key: it could not be made".to_owned()))
}

/// How often a name stands in the lock's list.
pub(crate) async fn listed(run: &Run<'_>, name: &str) -> Result<String, Stop> {
    let rows = run.vendor().list(&run.call(), &run.doors[0]).await.map_err(|error| Stop::Error("list", error))?;
    Ok(times(rows.iter().filter(|row| row.name == name).count()))
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}

/// Rounding goes outwards; a vendor that keeps no start has none that could be too late.
fn covers(run: &Run<'_>, credential: &VendorCredential) -> &'static str {
    match credential.window {
        None => "without end",
        Some(window) if window.until < run.window.until => "ends too early",
        Some(window) if run.can.window_start && window.from > run.window.from => "begins too late",
        Some(_) => "covers what was asked",
    }
}

fn ended(deletion: Deletion) -> &'static str {
    match deletion {
        Deletion::Deleted => "deleted",
        Deletion::AlreadyGone => "already gone",
    }
}
