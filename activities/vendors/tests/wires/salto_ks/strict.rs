//! The simulator refuses what the vendor refuses: without that the other tests would prove little.

use lock_sim::salto_ks::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD, DEFAULT_USERNAME, PolicyPatch, TryReason,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::support::Rig;

struct Caller {
    http: Client,
    base: String,
    site: String,
    token: String,
}

impl Caller {
    async fn new(rig: &Rig) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        let mut caller = Self {
            http,
            base: rig.server.base_url().to_owned(),
            site: rig.seeded.site_id.clone(),
            token: String::new(),
        };
        let (status, answer) = caller.login(DEFAULT_CLIENT_SECRET, "password", "user_api.full_access").await;
        assert_eq!((status, answer["expires_in"].as_i64(), &answer["refresh_token"]), (200, Some(3_600), &Value::Null));
        caller.token = answer["access_token"].as_str().unwrap().to_owned();
        caller
    }

    async fn login(&self, secret: &str, grant: &str, scope: &str) -> (u16, Value) {
        let fields =
            [("grant_type", grant), ("username", DEFAULT_USERNAME), ("password", DEFAULT_PASSWORD), ("scope", scope)];
        let request = self.http.post(format!("{}/connect/token", self.base)).form(&fields);
        let answer = request.basic_auth(DEFAULT_CLIENT_ID, Some(secret)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn raw(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    async fn site(&self, version: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.raw(method, &format!("/{version}/sites/{}/{path}", self.site), body).await
    }

    async fn ok(&self, version: &str, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.site(version, method, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn logins_are_checked() {
    let rig = Rig::new(1).await;
    let mut caller = Caller::new(&rig).await;
    for (secret, grant, scope, error) in [
        ("wrong", "password", "user_api.full_access", "invalid_client"),
        (DEFAULT_CLIENT_SECRET, "password", "openid", "invalid_scope"),
        (DEFAULT_CLIENT_SECRET, "client_credentials", "user_api.full_access", "unsupported_grant_type"),
        (DEFAULT_CLIENT_SECRET, "refresh_token", "", "invalid_grant"),
    ] {
        assert_eq!(caller.login(secret, grant, scope).await, (400, json!({ "error": error })));
    }
    caller.token = "made-up".to_owned();
    assert_eq!(caller.site("v1.2", Method::GET, "users", None).await.0, 401);
}

#[tokio::test]
async fn invented_paths_and_wrong_versions_are_not_there() {
    let rig = Rig::new(1).await;
    let caller = Caller::new(&rig).await;
    for (method, path, status) in [
        (Method::POST, "subscriptions", 404),
        (Method::POST, "users/x/access", 404),
        (Method::DELETE, "access/x", 404),
        (Method::POST, "webhooks", 404),
        (Method::GET, "entries", 405),
        (Method::POST, "access_groups/x/time_schedules", 405),
    ] {
        let body = (method == Method::POST).then(|| json!({}));
        let (got, answer) = caller.site("v1.2", method, path, body).await;
        assert_eq!((got, answer), (status, Value::Null), "{path}");
    }
    let (status, problem) = caller.site("v2", Method::GET, "permissions", None).await;
    assert_eq!((status, &problem["status"], problem.get("ErrorCode")), (403, &json!(403), None));
    let (status, answer) = caller.raw(Method::GET, &format!("/v1.2/sites/{}/users", rig.seeded.site_uid), None).await;
    assert_eq!((status, &answer["ErrorCode"]), (400, &json!(1100)));
}

#[tokio::test]
async fn bodies_are_checked() {
    let rig = Rig::new(1).await;
    let caller = Caller::new(&rig).await;
    let group = caller.ok("v1.2", Method::POST, "access_groups", json!({ "customer_reference": "g" })).await;
    let guest = caller.ok("v1.2", Method::POST, "guests", json!({ "alias": "lis-a" })).await;
    let (group, user) = (text(&group["id"]), text(&guest["id"]));
    let schedules = format!("access_groups/{group}/time_schedules");
    for (version, method, path, body) in [
        ("v1.2", Method::POST, "guests".to_owned(), json!({ "alias": "a", "expires_at": "2020-01-01T00:00:00Z" })),
        ("v1.2", Method::POST, "guests".to_owned(), json!({ "alias": "a", "validFrom": "2020-01-01T00:00:00Z" })),
        ("v1.2", Method::POST, "guests".to_owned(), json!({ "expires_at": "2099-01-01T00:00:00Z" })),
        ("v1.2", Method::PUT, format!("users/{user}/pin"), json!({ "pin": "739146" })),
        ("v1.2", Method::PATCH, format!("users/{user}/subscription"), json!({ "subscription_state": "suspended" })),
        ("v1.2", Method::PATCH, format!("users/{user}"), json!({ "use_pin": "yes" })),
        ("v1.1", Method::POST, schedules.clone(), json!({ "start_time": "00:00", "end_time": "23:59" })),
        ("v1.1", Method::POST, schedules, json!({ "days": ["monday"], "start_time": "00:00", "end_time": "23:59" })),
    ] {
        let (status, answer) = caller.site(version, method, &path, Some(body)).await;
        assert_eq!((status, &answer["ErrorCode"]), (400, &json!(1101)), "{path}");
    }
    let (status, answer) = caller.site("v1.1", Method::GET, "entries?$orderby=date", None).await;
    assert_eq!((status, &answer["ErrorCode"]), (400, &json!(1102)));
    rig.sim().patch_policy(&PolicyPatch { codes_as_text: Some(true), ..PolicyPatch::default() });
    // The site user's id is the wrong one here.
    let join = format!("access_groups/{group}/users");
    let (status, answer) = caller.site("v1.2", Method::POST, &join, Some(json!({ "user_id": user }))).await;
    assert_eq!((status, &answer["ErrorCode"]), (404, &json!("2202")));
}

#[tokio::test]
async fn a_pin_opens_only_by_the_whole_recipe() {
    let rig = Rig::new(2).await;
    let caller = Caller::new(&rig).await;
    let lock = rig.lock_id(0);
    let guest = caller.ok("v1.2", Method::POST, "guests", json!({ "alias": "lis-a" })).await;
    assert_eq!((&guest["use_pin"], &guest["subscription_state"]), (&json!(false), &json!("subscribed")));
    let user = format!("users/{}", text(&guest["id"]));
    let first = caller.ok("v1.2", Method::PUT, &format!("{user}/pin"), json!({})).await;
    let second = caller.ok("v1.2", Method::PUT, &format!("{user}/pin"), json!({})).await;
    assert_ne!(first, second);
    let typed = |pin: &Value| rig.sim().try_pin(lock, text(pin)).unwrap().reason;
    assert_eq!((typed(&first), typed(&second)), (TryReason::UnknownCode, TryReason::NoAccess));
    let group = caller.ok("v1.2", Method::POST, "access_groups", json!({ "customer_reference": "g" })).await;
    let group = format!("access_groups/{}", text(&group["id"]));
    caller.ok("v1.2", Method::POST, &format!("{group}/locks"), json!({ "lock_id": lock })).await;
    let platform = json!({ "user_id": guest["user"]["id"] });
    caller.ok("v1.2", Method::POST, &format!("{group}/users"), platform).await;
    assert_eq!(typed(&second), TryReason::NoAccess);
    let always = json!({
        "monday": true, "tuesday": true, "wednesday": true, "thursday": true, "friday": true, "saturday": true,
        "sunday": true, "start_time": "00:00", "end_time": "23:59",
    });
    let made = caller.ok("v1.1", Method::POST, &format!("{group}/time_schedules"), always).await;
    assert_eq!(made["end_time"], "23:59:59");
    assert_eq!(typed(&second), TryReason::PinOff);
    caller.ok("v1.2", Method::PATCH, &user, json!({ "use_pin": true })).await;
    assert_eq!(typed(&second), TryReason::Opened);
    // A door learns of things late.
    rig.sim().patch_policy(&PolicyPatch { propagation_ms: Some(3_600_000), ..PolicyPatch::default() });
    assert_eq!(typed(&second), TryReason::UnknownCode);
    rig.sim().patch_policy(&PolicyPatch { propagation_ms: Some(0), ..PolicyPatch::default() });
    assert_eq!(caller.site("v1.2", Method::DELETE, &user, None).await.0, 202);
    assert_eq!((typed(&second), rig.sim().seats_taken()), (TryReason::UnknownCode, 1));
    assert_eq!(caller.site("v1.2", Method::GET, &user, None).await.1["ErrorCode"], 2202);
}
