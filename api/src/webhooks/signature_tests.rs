//! Published vectors of Standard Webhooks, computed ones of our own scheme, and what must not pass.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

const STANDARD_VECTORS: [[&str; 5]; 3] = [
    [
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "1649367553",
        r#"{"email":"test@example.com","username":"test_user"}"#,
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ],
    [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ],
    [
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        r#"{"test": 2432232314}"#,
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
    ],
];

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn standard_headers(id: &str, at: &str, signature: &str) -> HeaderMap {
    headers(&[("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)])
}

fn at(seconds: &str, later: i64) -> Timestamp {
    Timestamp::from_second(seconds.parse::<i64>().unwrap() + later).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn standard_verify(keys: &[Key], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Option<String>, Refusal> {
    verify(Scheme::StandardWebhooks, keys, headers, body, now)
}

#[test]
fn r_lock_04_published_vectors_verify() {
    for [secret, id, sent, body, signature] in STANDARD_VECTORS {
        let headers = standard_headers(id, sent, signature);
        let verified = standard_verify(&[key(secret)], &headers, body.as_bytes(), at(sent, 0));
        assert_eq!(verified, Ok(Some(id.to_owned())), "{signature}");
    }
}

#[test]
fn r_lock_04_any_other_byte_is_refused() {
    for [secret, id, sent, body, signature] in STANDARD_VECTORS {
        let keys = [key(secret)];
        let now = at(sent, 0);
        for place in 0..body.len() {
            let mut other = body.as_bytes().to_vec();
            other[place] ^= 1;
            let verified = standard_verify(&keys, &standard_headers(id, sent, signature), &other, now);
            assert_eq!(verified, Err(Refusal::Signature), "byte {place}");
        }
        let other_time = (sent.parse::<i64>().unwrap() + 1).to_string();
        for bad in [standard_headers("msg_x", sent, signature), standard_headers(id, &other_time, signature)] {
            assert_eq!(standard_verify(&keys, &bad, body.as_bytes(), now), Err(Refusal::Signature));
        }
        let foreign = [key(new_secret().expose_secret())];
        let verified = standard_verify(&foreign, &standard_headers(id, sent, signature), body.as_bytes(), now);
        assert_eq!(verified, Err(Refusal::Signature));
    }
}

#[test]
fn r_lock_04_short_empty_and_swapped_signatures_are_refused() {
    let [secret, id, sent, body, signature] = STANDARD_VECTORS[0];
    let keys = [key(secret)];
    let half = &signature[..20];
    let swapped = signature.replace("v1,", "v1a,");
    for bad in ["v1,", "v1", "", "v2,AAAA", half, &swapped, &signature.to_uppercase(), "v1,####", ","] {
        let verified = standard_verify(&keys, &standard_headers(id, sent, bad), body.as_bytes(), at(sent, 0));
        assert_eq!(verified, Err(Refusal::Signature), "{bad}");
    }
    assert_eq!(
        standard_verify(&[], &standard_headers(id, sent, signature), body.as_bytes(), at(sent, 0)),
        Err(Refusal::Signature)
    );
    let many = vec!["v1,AAAA"; 17].join(" ");
    assert_eq!(
        standard_verify(&keys, &standard_headers(id, sent, &many), body.as_bytes(), at(sent, 0)),
        Err(Refusal::Malformed)
    );
}

#[test]
fn r_lock_04_headers_must_be_there_once_and_of_their_form() {
    let [secret, id, sent, body, signature] = STANDARD_VECTORS[0];
    let keys = [key(secret)];
    let good = [("webhook-id", id), ("webhook-timestamp", sent), ("webhook-signature", signature)];
    for without in 0..3 {
        let mut pairs = good.to_vec();
        pairs.remove(without);
        assert_eq!(standard_verify(&keys, &headers(&pairs), body.as_bytes(), at(sent, 0)), Err(Refusal::Malformed));
        let mut twice = good.to_vec();
        twice.push(good[without]);
        assert_eq!(standard_verify(&keys, &headers(&twice), body.as_bytes(), at(sent, 0)), Err(Refusal::Malformed));
    }
    for (id, sent) in [("a.b", sent), ("", sent), (id, "-1"), (id, "1e9"), (id, ""), (id, "9999999999999")] {
        let verified =
            standard_verify(&keys, &standard_headers(id, sent, signature), body.as_bytes(), Timestamp::UNIX_EPOCH);
        assert_eq!(verified, Err(Refusal::Malformed), "{id} {sent}");
    }
}

#[test]
fn r_lock_04_late_and_early_ones_are_refused_only_if_genuine() {
    let [secret, id, sent, body, signature] = STANDARD_VECTORS[0];
    let headers = standard_headers(id, sent, signature);
    for (later, fits) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let verified = standard_verify(&[key(secret)], &headers, body.as_bytes(), at(sent, later));
        assert_eq!(verified.is_ok(), fits, "{later}");
        assert!(fits || verified == Err(Refusal::Time));
    }
    // A forger learns nothing about clocks.
    assert_eq!(standard_verify(&[key(secret)], &headers, b"x", at(sent, 999)), Err(Refusal::Signature));
}

#[test]
fn several_secrets_and_several_signatures() {
    let [secret, id, sent, body, signature] = STANDARD_VECTORS[0];
    let old_and_new = [key(new_secret().expose_secret()), key(secret)];
    let list = format!("v1,AAAA v9,zzz {signature}");
    for (keys, list) in [(&old_and_new[..], signature), (&old_and_new[1..], list.as_str())] {
        assert!(standard_verify(keys, &standard_headers(id, sent, list), body.as_bytes(), at(sent, 0)).is_ok());
    }
}

#[test]
fn weak_secrets_are_no_secrets() {
    let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for (bytes, fits) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
        assert_eq!(Key::parse(&of(bytes)).is_some(), fits, "{bytes}");
    }
    for bad in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whpk_", "whsk_AAAA", "whsec_???"] {
        assert!(Key::parse(bad).is_none(), "{bad}");
    }
    // The neutral element signs everything.
    let mut neutral = [0_u8; 32];
    neutral[0] = 1;
    assert!(Key::parse(&format!("whpk_{}", STANDARD.encode(neutral))).is_none());
    let public = SecretString::from(STANDARD_VECTORS[2][0]);
    assert!(is_usable(Scheme::StandardWebhooks, &public) && !is_usable(Scheme::HmacSha256, &public));
    assert!(is_usable(Scheme::HmacSha256, &new_secret()) && !is_usable(Scheme::PathOnly, &new_secret()));
}

/// Computed with Python's `hmac`.
const OWN: [&str; 4] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "dlv_1",
    "1614265330",
    "7775e7ad7a5e25a0abef3e22cd8418dedb9bbf8272d9c04594ef27348ee68650",
];

#[test]
fn r_lock_04_our_own_scheme() {
    let [secret, id, sent, hex] = OWN;
    let body = br#"{"test": 2432232314}"#;
    let own = |signature: &str, body: &[u8], later| {
        let headers = headers(&[("lock-delivery", id), ("lock-signature", signature)]);
        verify(Scheme::HmacSha256, &[key(secret)], &headers, body, at(sent, later))
    };
    let good = format!("t={sent},v1={hex}");
    assert_eq!(own(&good, body, 0), Ok(Some(id.to_owned())));
    assert_eq!(own(&format!("t={sent},v1=00,v1={hex}"), body, 0), Ok(Some(id.to_owned())));
    assert_eq!(own(&good, b"{}", 0), Err(Refusal::Signature));
    assert_eq!(own(&good, body, 301), Err(Refusal::Time));
    assert_eq!(own(&format!("t={sent},v1="), body, 0), Err(Refusal::Signature));
    assert_eq!(own(&format!("t={sent}"), body, 0), Err(Refusal::Signature));
    for bad in [format!("v1={hex}"), format!("t={sent},t={sent},v1={hex}"), format!("t={sent},v0={hex}"), "x".into()] {
        assert_eq!(own(&bad, body, 0), Err(Refusal::Malformed), "{bad}");
    }
}
