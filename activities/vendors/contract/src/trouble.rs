//! What an adapter makes of a wire that is not well: an answer that got lost, a login that ended, a limit, the error table.

use std::sync::Arc;
use std::time::Duration;

use lock_vendors::error::{Condition, EffectOutcome, VendorError};
use lock_vendors::port::{CallContext, KeyForm, KeySpec, VendorLockRef};

use crate::checks::listed;
use crate::faults::{FaultError, Faults};
use crate::notes::{Notes, Stop, told, yes};
use crate::profiles::{By, Failure};
use crate::suite::Run;

/// For a call whose answer will not come.
const IMPATIENT: Duration = Duration::from_secs(2);
/// Too short for any vendor's answer from afar: where nobody can be told to be silent, the line is cut from our side.
const CUT_AFTER: Duration = Duration::from_millis(40);

type Ended = Result<(), Stop>;

fn unheard(error: FaultError) -> Stop {
    Stop::Skip(error.to_string())
}

fn faults(run: &Run<'_>) -> Result<Arc<dyn Faults>, Stop> {
    let missing = || Stop::Skip("nothing here misbehaves on order: that takes a simulator (--faults-url)".to_owned());
    run.setup.faults.clone().ok_or_else(missing)
}

/// The answer to a call that makes a key gets lost: the adapter does not say that nothing happened, and a repetition leaves one key.
pub(crate) async fn lost_answer(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(2)?;
    let card = matches!(spec.form, KeyForm::Card { .. });
    match &run.setup.faults {
        Some(faults) => {
            let verb = if card { run.profile.makes.1 } else { run.profile.makes.0 };
            faults.order(verb, &run.profile.silence).await.map_err(unheard)?;
            let first = run.vendor().issue(&CallContext::new("contract", IMPATIENT), &spec).await;
            let honest = !matches!(&first, Err(error) if error.outcome() != EffectOutcome::Unconfirmed);
            notes.expect("first_call_admits_the_effect", "yes", yes(honest));
            notes.note("first_call", first.map_or_else(|error| told(&error), |_| "found by reading back".to_owned()));
        }
        None if run.can.choose_pin => {
            // Whether it acted is left to chance; that is why only what follows is told.
            let _ = run.vendor().issue(&CallContext::new("contract", CUT_AFTER), &spec).await;
        }
        None => {
            let reason = "without a simulator (--faults-url) only a key with digits of ours can be cut off without leaving a second one";
            return Err(Stop::Skip(reason.to_owned()));
        }
    }
    if run.can.read_back {
        run.vendor().find(&run.call(), &run.doors, &spec.token).await.map_err(|error| Stop::Error("find", error))?;
    }
    let again = run.vendor().issue(&run.call(), &spec).await.map_err(|error| Stop::Error("repetition", error))?;
    if run.can.read_back {
        notes.expect("listed", "once", listed(run, spec.token.as_str()).await?);
    } else {
        notes.note("repetition", "accepted");
    }
    let gone = run.vendor().delete(&run.call(), &run.doors, &again.credential.reference).await;
    gone.map_err(|error| Stop::Error("delete", error))?;
    Ok(())
}

/// A login that ended is renewed by the adapter, unasked.
pub(crate) async fn expired_login(run: &Run<'_>, notes: &mut Notes) -> Ended {
    if !run.profile.login {
        return Err(Stop::Skip("the wire has no login that could end".to_owned()));
    }
    let faults = faults(run)?;
    // So that there is a login to end.
    find(run).await.map_err(|error| Stop::Error("find", error))?;
    faults.end_logins().await.map_err(unheard)?;
    notes.expect("find", "answered", find(run).await.map_or_else(|error| told(&error), |()| "answered".to_owned()));
    Ok(())
}

/// Too many calls are told as such.
pub(crate) async fn rate_limit(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let Some((verb, kind)) = &run.profile.limited else {
        return Err(Stop::Skip("no limit is known on this wire".to_owned()));
    };
    faults(run)?.order(verb, kind).await.map_err(unheard)?;
    let limited = find(run).await;
    let seen = limited.as_ref().map_or_else(kind_of, |()| "answered".to_owned());
    notes.expect("limited", format!("{} (retryable)", Condition::RateLimited.code()), seen);
    let pause = match limited.map_err(|error| error.outcome()) {
        Err(EffectOutcome::Retryable { after: Some(_) }) => "named",
        _ => "not named",
    };
    notes.expect("pause", "named", pause);
    Ok(())
}

/// Refusals are told from trouble, and trouble from ignorance.
pub(crate) async fn errors(run: &Run<'_>, notes: &mut Notes) -> Ended {
    let spec = run.spec(3)?;
    let nowhere = KeySpec { doors: vec![VendorLockRef::new(run.profile.no_such_lock)], ..spec.clone() };
    let refused = run.vendor().issue(&run.call(), &nowhere).await;
    let outcome = refused.as_ref().map_or_else(|error| error.outcome().name(), |_| "accepted");
    notes.expect("unknown_lock_effect", "permanent", outcome);
    notes.note("unknown_lock", refused.map_or_else(|error| told(&error), |_| "accepted".to_owned()));
    run.take_card().await;
    let foreign = if run.can.mobile && run.can.card {
        KeyForm::VendorPin { one_time: true }
    } else {
        KeyForm::Mobile { recipient: "+15550100".into() }
    };
    let foreign = KeySpec { form: foreign, ..spec.clone() };
    let refused = run.vendor().issue(&run.call(), &foreign).await;
    let seen = refused.as_ref().map_or_else(kind_of, |_| "accepted".to_owned());
    notes.expect("form_not_offered", format!("{} (permanent)", Condition::Unsupported.code()), seen);
    let Some(faults) = run.setup.faults.clone() else {
        notes.note("table", "not played: nothing here misbehaves on order");
        return Ok(());
    };
    for failure in &run.profile.failures {
        row(run, notes, &spec, failure, &*faults).await?;
    }
    Ok(())
}

async fn row(run: &Run<'_>, notes: &mut Notes, spec: &KeySpec, failure: &Failure, faults: &dyn Faults) -> Ended {
    faults.order(failure.verb, &failure.kind).await.map_err(unheard)?;
    let met = match failure.by {
        By::Find => find(run).await,
        By::Issue => run.vendor().issue(&run.call(), spec).await.map(drop),
    };
    let seen = met.as_ref().map_or_else(kind_of, |()| "answered".to_owned());
    let field = format!("{} {}", failure.verb.replace(' ', ":"), words(failure));
    notes.expect(&field, format!("{} ({})", failure.condition.code(), failure.outcome), seen);
    run.quiet().await;
    Ok(())
}

/// What was ordered, in a word.
fn words(failure: &Failure) -> String {
    let fields = failure.kind.as_object().into_iter().flatten();
    let texts = fields.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join("_")
}

async fn find(run: &Run<'_>) -> Result<(), VendorError> {
    run.vendor().find(&run.call(), run.where_found(), &run.tokens[3]).await.map(drop)
}

fn kind_of(error: &VendorError) -> String {
    format!("{} ({})", error.code(), error.outcome().name())
}
