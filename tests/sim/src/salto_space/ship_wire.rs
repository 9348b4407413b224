//! From a document to what goes back, with the fault that is ordered for the call. The same for STP and HTTP.

use std::time::Duration;

use tokio::time::sleep;

use super::fault::FaultKind;
use super::ship::{Call, act, parse};
use super::ship_users::Refused;
use super::sim::SpaceSim;
use super::xml::{Node, write};

/// A web page in the place of an answer.
pub(crate) const PORTAL: &str =
    "<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body></body></html>";
const HUGE: usize = 10 * 1024 * 1024;

/// How the exchange ends.
#[derive(Debug)]
pub(crate) enum Ending {
    Answer(String),
    Split(String),
    Glued(String),
    Half(String),
    Status(u16),
    Page,
    Silence,
    Cut,
}

/// Answers a document. The work runs on when the caller hangs up.
pub(crate) async fn answer(sim: &SpaceSim, document: Vec<u8>) -> Ending {
    let working = sim.clone();
    let work = tokio::spawn(async move { process(&working, &document).await });
    work.await.unwrap_or(Ending::Cut)
}

async fn process(sim: &SpaceSim, document: &[u8]) -> Ending {
    let call = match parse(document) {
        Ok(call) => call,
        Err((name, code)) => return Ending::Answer(reply(sim, &name, Err(code))),
    };
    let fault = {
        let mut world = sim.world();
        world.stats.call(&call.name);
        let fault = world.faults.take(&call.name);
        if let Some(kind) = &fault {
            world.stats.fault(&crate::fault::name(kind));
        }
        fault
    };
    let Some(kind) = fault else { return Ending::Answer(done(sim, &call).await) };
    if let FaultKind::Latency { ms } = kind {
        sleep(Duration::from_millis(ms)).await;
    }
    if kind == FaultKind::Duplicate {
        let _ = act(sim, &call).await;
    }
    let text = if kind.acts() { done(sim, &call).await } else { String::new() };
    match kind {
        FaultKind::Latency { .. } | FaultKind::Duplicate => Ending::Answer(text),
        FaultKind::Down => Ending::Status(503),
        FaultKind::HttpStatus { code } => Ending::Status(code),
        FaultKind::Silence | FaultKind::ActThenSilence => Ending::Silence,
        FaultKind::Exception { n } | FaultKind::ActThenException { n } => {
            Ending::Answer(reply(sim, &call.name, Err(n)))
        }
        FaultKind::Split => Ending::Split(text),
        FaultKind::Glued => Ending::Glued(text),
        FaultKind::HalfThenDrop => Ending::Half(text),
        FaultKind::Garbage => Ending::Answer(text.replace("</", "<")),
        FaultKind::WrongTypes => Ending::Answer(wrong_types(&call.name, &text)),
        FaultKind::WrongName => Ending::Answer(text.replace(call.name.as_str(), "GetInfo")),
        FaultKind::Huge => Ending::Answer(format!("{text}{}", " ".repeat(HUGE))),
        FaultKind::Html => Ending::Page,
        _ => Ending::Cut,
    }
}

async fn done(sim: &SpaceSim, call: &Call) -> String {
    let result = act(sim, call).await;
    reply(sim, &call.name, result)
}

fn reply(sim: &SpaceSim, name: &str, result: Result<Vec<Node>, Refused>) -> String {
    sim.world().stats.answer(&result.as_ref().err().unwrap_or(&0).to_string());
    let body = match result {
        Ok(params) => Node::list("Params", params),
        Err(code) => {
            let message = if sim.world().policy.utf8_replies { "l'opération est refusée" } else { "refused" };
            Node::list("Exception", vec![Node::leaf("Code", code), Node::leaf("Message", message)])
        }
    };
    write(&Node::list("RequestResponse", vec![Node::leaf("RequestName", format!(" {name} ")), body]))
}

/// A list says "maybe" where it ends, and anything else is an exception without a number.
fn wrong_types(name: &str, text: &str) -> String {
    if text.contains("<EOF>") {
        return text.replace("<EOF>0</EOF>", "<EOF>maybe</EOF>").replace("<EOF>1</EOF>", "<EOF>maybe</EOF>");
    }
    let exception = Node::list("Exception", vec![Node::leaf("Code", "soon"), Node::leaf("Message", "")]);
    write(&Node::list("RequestResponse", vec![Node::leaf("RequestName", name), exception]))
}
