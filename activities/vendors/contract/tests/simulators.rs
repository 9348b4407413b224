//! The suite passes for every wire, against the simulators; and it notices when a vendor breaks its contract.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lock_contract::faults::SimulatorFaults;
use lock_contract::simulator::{World, adapter, world};
use lock_contract::{Setup, run};
use lock_domain::contract::{ANSWERS, CheckOutcome, Judgement, Report, judge};
use lock_sim::{salto_ks, salto_space, ttlock, visionline};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

fn free() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

async fn tried(vendor: &str, base_url: &str, control: &str, faults: bool) -> Report {
    let World { config, target } = world(vendor, base_url, control).await.unwrap();
    let hook = || Arc::new(SimulatorFaults::new(control, vendor).unwrap()) as _;
    let setup = Setup { vendor: adapter(vendor, &config).unwrap(), target, faults: faults.then(hook) };
    let report = run(&setup, |_| {}).await.unwrap();
    assert!(
        report.passed(),
        "{vendor}: {:#?}",
        report.checks.iter().filter(|c| c.outcome == CheckOutcome::Failed).collect::<Vec<_>>()
    );
    report
}

/// Names of the checks that were skipped.
fn skipped(report: &Report) -> Vec<&str> {
    report.checks.iter().filter(|check| !check.speaks()).map(|check| check.name.as_str()).collect()
}

/// Twice, so that one run leaves nothing that the next one trips over, and sees the same.
async fn twice(vendor: &str, base_url: &str, control: &str) -> Report {
    let first = tried(vendor, base_url, control, true).await;
    let second = tried(vendor, base_url, control, true).await;
    assert_eq!(judge(Some(&first), &second), Judgement::Same, "{vendor}");
    assert_eq!(judge(None, &first), Judgement::Adopted);
    second
}

#[tokio::test]
async fn r_lock_02_ttlock_keeps_its_contract() {
    let server = ttlock::SimServer::start(free()).await.unwrap();
    let report = twice("ttlock", server.base_url(), server.base_url()).await;
    assert!(skipped(&report).is_empty(), "{:?}", skipped(&report));
    assert!(server.sim().credentials().is_empty(), "nothing is left in the lock");
    assert!(report.check(ANSWERS).unwrap().seen.keys().any(|field| field == "keyboardPwd/add keyboardPwdId"));
}

#[tokio::test]
async fn r_lock_02_salto_ks_keeps_its_contract() {
    let server = salto_ks::SimServer::start(free()).await.unwrap();
    let report = twice("salto_ks", server.base_url(), server.base_url()).await;
    assert_eq!(skipped(&report), ["clock"]);
    assert!(server.sim().guests().is_empty(), "no guest is left");
}

#[tokio::test]
async fn r_lock_02_salto_ship_keeps_its_contract_on_both_transports() {
    for stp in [false, true] {
        let server = salto_space::SpaceServer::start(salto_space::SpaceAddrs::default()).await.unwrap();
        let addrs = server.addrs();
        let control = format!("http://{}", addrs.http);
        let base = if stp { format!("stp://{}", addrs.stp) } else { control.clone() };
        let report = twice("salto_ship", &base, &control).await;
        assert_eq!(skipped(&report), ["expired_login", "rate_limit", "clock"]);
    }
}

#[tokio::test]
async fn r_lock_02_salto_ship_keeps_its_contract_with_cards() {
    let server = salto_space::SpaceServer::start(salto_space::SpaceAddrs::default()).await.unwrap();
    let control = format!("http://{}", server.addrs().http);
    let World { mut config, target } = world("salto_ship", &control, &control).await.unwrap();
    config["pin_opens_alone"] = false.into();
    let faults = Arc::new(SimulatorFaults::new(&control, "salto_ship").unwrap());
    let setup = Setup { vendor: adapter("salto_ship", &config).unwrap(), target, faults: Some(faults) };
    let report = run(&setup, |_| {}).await.unwrap();
    assert!(report.passed(), "{:#?}", report.checks);
    assert!(
        report.check(ANSWERS).unwrap().seen.keys().any(|field| field.starts_with("Encoder.SaltoDBUser.AssignNewKey "))
    );
}

#[tokio::test]
async fn r_lock_02_salto_pms_keeps_its_contract() {
    let server = salto_space::SpaceServer::start(salto_space::SpaceAddrs::default()).await.unwrap();
    let addrs = server.addrs();
    let report = twice("salto_pms", &addrs.pms.to_string(), &format!("http://{}", addrs.http)).await;
    assert_eq!(skipped(&report), ["change", "expired_login", "rate_limit", "clock"]);
}

#[tokio::test]
async fn r_lock_02_visionline_keeps_its_contract() {
    let server = visionline::SimServer::start(free()).await.unwrap();
    let report = twice("visionline", server.base_url(), server.control_url()).await;
    assert_eq!(skipped(&report), ["change", "clock"]);
}

#[tokio::test]
async fn without_orders_it_says_what_it_left_out() {
    let server = ttlock::SimServer::start(free()).await.unwrap();
    let report = tried("ttlock", server.base_url(), server.base_url(), false).await;
    assert_eq!(skipped(&report), ["expired_login", "rate_limit"]);
    assert_eq!(report.check("lost_answer").unwrap().seen["listed"], "once");
    let played = tried("ttlock", server.base_url(), server.base_url(), true).await;
    assert_eq!(played.checks.len(), report.checks.len());
}

#[tokio::test]
async fn a_vendor_that_is_not_there_breaks_no_contract() {
    let server = ttlock::SimServer::start(free()).await.unwrap();
    let World { config, target } = world("ttlock", server.base_url(), server.base_url()).await.unwrap();
    server.sim().add_fault(ttlock::FaultOrder::always("*", ttlock::FaultKind::Down));
    let setup = Setup { vendor: adapter("ttlock", &config).unwrap(), target, faults: None };
    let error = run(&setup, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("vendor.server_error"), "{error}");
}
