//! Callbacks of a Visionline server. Nobody signs them, so that they are hints: the stay that is named looks for itself.

use crate::{
    cards::{Desk, Server},
    harness::{shared, until},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

impl Desk {
    /// Our name for the card that was written last.
    fn name(&self) -> String {
        let Server::Visionline(server) = &self.server else { unreachable!() };
        server.sim().cards().last().expect("a card").description.clone()
    }

    async fn endpoint(&self) -> String {
        let made = self.site.pms.post("webhook-endpoints", json!({ "sender": "visionline" })).await.expect(201).body;
        format!("{}{}", shared().api, made["path"].as_str().unwrap())
    }

    /// How often the stay was asked to read back.
    async fn reads(&self) -> usize {
        let page = self.site.pms.get("/v1/events?limit=500").await.expect(200).body;
        let events = page["events"].as_array().unwrap();
        let read = |event: &&Value| event["type"] == "stay.command_accepted.v1" && event["data"]["verb"] == "read";
        events.iter().filter(read).count()
    }
}

/// A callback in the form that the vendor has published.
fn callback(name: &str, status: &str) -> Value {
    json!({
        "callbackType": "CREDENTIAL", "systemId": "sim", "endpointId": "phone-77", "credentialId": "c1", "credentialStatus": status,
        "label": "Hotel 101", "description": name, "validity": { "startDate": "20261123T1500", "endDate": "20261125T1100" },
    })
}

async fn send(url: &str, body: &Value) -> StatusCode {
    reqwest::Client::new().post(url).body(body.to_string()).send().await.unwrap().status()
}

#[tokio::test]
async fn r_lock_04_a_key_that_visionline_says_is_gone_is_looked_for() {
    let desk = Desk::open("visionline").await;
    let url = desk.endpoint().await;
    desk.check_in("R1", "101").await;
    let Server::Visionline(server) = &desk.server else { unreachable!() };
    desk.attended(false);
    server.sim().check_out_by_hand("101");
    for _ in 0..3 {
        assert_eq!(send(&url, &callback(&desk.name(), "REVOKED")).await, StatusCode::NO_CONTENT);
    }
    until("the stay knows that its card is gone", LIMIT, || async {
        let stay = desk.site.pms.stay("R1").await;
        let credential = &stay["keys"][0]["credentials"][0];
        if credential["state"] != "live" { Ok(()) } else { Err(stay.to_string()) }
    })
    .await;
    desk.attended(true);
    until("another card is proven", LIMIT, || async {
        let stay = desk.site.pms.stay("R1").await;
        let live = stay["keys"][0]["credentials"][0]["state"] == "live";
        if live && desk.standing() == 1 { Ok(()) } else { Err(stay.to_string()) }
    })
    .await;
    assert_eq!(desk.reads().await, 1, "one look for three callbacks");
    // What has come in can be looked at, page by page and without bodies.
    send(&url, &callback("Mr Smith", "ISSUED")).await;
    let newest = desk.site.pms.get("inbound?limit=1").await.expect(200).body;
    let meant = json!([{ "means": "credential", "token": null, "status": "issued" }]);
    assert_eq!((&newest["deliveries"][0]["meaning"], &newest["deliveries"][0]["attempts"]), (&meant, &json!(0)));
    let next = format!("inbound?limit=5&cursor={}", newest["next_cursor"].as_str().unwrap());
    let older = desk.site.pms.get(&next).await.expect(200).body;
    let deliveries = older["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 1, "one for three: {older:#}");
    assert_eq!((&deliveries[0]["sender"], &deliveries[0]["state"]), (&json!("visionline"), &json!("processed")));
    assert!(!older.to_string().contains("phone-77") && !newest.to_string().contains("Smith"), "{older:#} {newest:#}");
}

#[tokio::test]
async fn r_lock_04_forged_and_lying_visionline_callbacks_change_nothing() {
    let desk = Desk::open("visionline").await;
    let other = Desk::open("visionline").await;
    let (url, theirs) = (desk.endpoint().await, other.endpoint().await);
    desk.check_in("R1", "101").await;
    let name = desk.name();
    // A path that nobody has, another sender's, and what is no callback.
    let gone = callback(&name, "REVOKED");
    let mut cases = 0;
    for (path, body, status) in [
        (format!("{url}x"), &gone, 404),
        (url.replace("/visionline/", "/ttlock/"), &gone, 404),
        (url[..url.len() - 8].to_owned() + "00000000", &gone, 404),
        (url.clone(), &json!({ "credentialStatus": "REVOKED", "description": name }), 400),
        (url.clone(), &json!([gone]), 400),
    ] {
        assert_eq!(send(&path, body).await.as_u16(), status, "{path} {body}");
        cases += 1;
    }
    // Genuine as far as anybody can tell, and worth no look: another hotel's key, nobody's key, a telephone, what is still on its way.
    let nobody = format!("lis-{}", "0".repeat(32));
    for (path, body) in [
        (&theirs, gone.clone()),
        (&url, callback(&nobody, "REVOKED")),
        (&url, callback("Mr Smith", "REVOKED")),
        (&url, callback(&name, "REVOKING")),
        (&url, json!({ "callbackType": "ENDPOINT", "endpointId": "phone-77", "endpointStatus": "TERMINATED" })),
    ] {
        assert_eq!(send(path, &body).await, StatusCode::NO_CONTENT, "{body}");
        cases += 1;
    }
    assert_eq!(cases, 10);
    // It lies: the stay looks, finds its card, and that is all.
    assert_eq!(send(&url, &gone).await, StatusCode::NO_CONTENT);
    let read = until("the look is over", LIMIT, || async {
        let page = desk.site.pms.get("/v1/events?limit=500").await.expect(200).body;
        let events = page["events"].as_array().unwrap();
        let read = events.iter().find(|event| event["data"]["verb"] == "read");
        match read {
            Some(read) => Ok(read["data"]["operation"].clone()),
            None => Err(page.to_string()),
        }
    })
    .await;
    assert_eq!(desk.site.pms.ended(&json!({ "id": read })).await, "done");
    let stay = desk.site.pms.stay("R1").await;
    assert_eq!((&stay["phase"], &stay["keys"][0]["credentials"][0]["state"]), (&json!("active"), &json!("live")));
    assert_eq!((desk.standing(), desk.reads().await, desk.name()), (1, 1, name));
    let Server::Visionline(server) = &desk.server else { unreachable!() };
    assert_eq!(server.sim().cards().len(), 1, "no card was written");
}
