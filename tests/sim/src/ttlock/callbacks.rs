//! Callbacks, as the cloud sends them to the URL that an application has set in the console: form-encoded, signed by nobody, in no promised
//! order, perhaps twice, perhaps late.
//!
//! A test orders how often each is sent, and can hold them back and let them go in the other order.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::devices::mac;
use super::sim::TtlockSim;
use super::world::World;

/// Answers that are kept.
const KEPT: usize = 10_000;

fn once() -> u32 {
    1
}

/// How callbacks are sent from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackOrder {
    /// Where to; none for no callbacks.
    pub url: Option<String>,
    /// How often each.
    #[serde(default = "once")]
    pub copies: u32,
    /// They wait until they are released.
    #[serde(default)]
    pub hold: bool,
}

/// A callback that was sent, and what it met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackSent {
    /// The form.
    pub form: Vec<(String, String)>,
    /// The HTTP status; 0 where no answer came.
    pub status: u16,
    /// The answer's body.
    pub answer: String,
}

type Form = Vec<(String, String)>;

/// What is set, waits and was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Callbacks {
    order: Option<CallbackOrder>,
    held: Vec<Form>,
    queue: VecDeque<(String, Form)>,
    sent: Vec<CallbackSent>,
}

impl Callbacks {
    pub(crate) fn set(&mut self, order: CallbackOrder) {
        self.order = Some(order);
    }

    pub(crate) fn sent(&self) -> Vec<CallbackSent> {
        self.sent.clone()
    }

    fn add(&mut self, form: Form) {
        let Some(CallbackOrder { url: Some(url), copies, hold }) = self.order.clone() else { return };
        if hold {
            self.held.push(form);
        } else {
            self.queue.extend((0..copies).map(|_| (url.clone(), form.clone())));
        }
    }

    /// Lets go what was held: copy by copy, so that late copies of the first come after the last.
    pub(crate) fn release(&mut self, reversed: bool) {
        let Some(CallbackOrder { url: Some(url), copies, .. }) = self.order.clone() else { return };
        let mut held = std::mem::take(&mut self.held);
        if reversed {
            held.reverse();
        }
        for _ in 0..copies {
            self.queue.extend(held.iter().map(|form| (url.clone(), form.clone())));
        }
    }

    fn next(&mut self) -> Option<(String, Form)> {
        self.queue.pop_front()
    }

    fn note(&mut self, sent: CallbackSent) {
        if self.sent.len() < KEPT {
            self.sent.push(sent);
        }
    }
}

/// A gateway carries a lock's records to the cloud, which tells of them. Nothing happens while none is in reach.
pub(crate) fn records_uploaded(world: &mut World, lock_id: i64) {
    if world.reachable(lock_id) {
        records_carried(world, lock_id);
    }
}

/// Something carries a lock's records to the cloud, which tells of them.
pub(crate) fn records_carried(world: &mut World, lock_id: i64) {
    let at = world.now();
    let Some(lock) = world.locks.get_mut(&lock_id) else { return };
    let mut rows = Vec::new();
    for record in lock.records.iter_mut().filter(|record| record.server_date.is_none()) {
        record.server_date = Some(at);
        rows.push(json!({
            "lockId": lock_id, "lockMac": lock.mac, "electricQuantity": lock.battery, "serverDate": at,
            "recordTypeFromLock": record.kind, "recordType": record.kind, "success": i32::from(record.opened),
            "keyboardPwd": record.pin, "lockDate": record.lock_date, "username": record.name,
        }));
    }
    if rows.is_empty() {
        return;
    }
    let form = vec![
        ("lockId".to_owned(), lock_id.to_string()),
        ("notifyType".to_owned(), "1".to_owned()),
        ("records".to_owned(), serde_json::Value::from(rows).to_string()),
        ("admin".to_owned(), lock.admin.clone()),
        ("lockMac".to_owned(), lock.mac.clone()),
    ];
    world.callbacks.add(form);
}

/// A gateway has come or gone.
pub(crate) fn gateway_changed(world: &mut World, gateway_id: i64) {
    let Some(gateway) = world.gateways.get(&gateway_id) else { return };
    let form = vec![
        ("notifyType".to_owned(), "2".to_owned()),
        ("gatewayId".to_owned(), gateway_id.to_string()),
        ("gatewayName".to_owned(), gateway.name.clone()),
        ("gatewayMac".to_owned(), mac(gateway_id)),
        ("gatewayVersion".to_owned(), "2".to_owned()),
        ("networkName".to_owned(), "staff".to_owned()),
        ("isOnline".to_owned(), i32::from(gateway.online).to_string()),
    ];
    world.callbacks.add(form);
}

/// Sends one after the other until the simulator stops.
pub(crate) async fn deliver(sim: TtlockSim) {
    let stopped = sim.stopped();
    tokio::pin!(stopped);
    let mut client = None;
    loop {
        let next = sim.world().callbacks.next();
        let Some((url, form)) = next else {
            tokio::select! {
                () = &mut stopped => return,
                () = sim.callbacks_wait() => continue,
            }
        };
        // Built when first needed: whoever wants no callbacks needs no TLS provider either.
        if client.is_none() {
            // An error means that there is one already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().ok();
        }
        let Some(client) = &client else { return };
        let answer = async {
            let answer = client.post(&url).form(&form).send().await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        let (status, answer) = answer.await.unwrap_or_default();
        sim.world().callbacks.note(CallbackSent { form, status, answer });
    }
}
