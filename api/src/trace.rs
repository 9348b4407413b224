//! The trace context that goes along with a command, so that its effects appear in the caller's trace.

use http::HeaderMap;

/// The header of W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The caller's trace context, if it has the form of one.
pub(crate) fn incoming(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let fits = text.len() == 55 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    fits.then_some(text)
}

/// What a command carries: our span's context, or the caller's if spans are not recorded.
pub(crate) fn outgoing(headers: &HeaderMap) -> Option<String> {
    lock_telemetry::current_traceparent().or_else(|| incoming(headers).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn takes_what_has_the_form_only() {
        let mut headers = HeaderMap::new();
        assert_eq!(outgoing(&headers), None);
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, good.parse().unwrap());
        assert_eq!(outgoing(&headers).as_deref(), Some(good));
        headers.insert(TRACEPARENT, "00-nonsense".parse().unwrap());
        assert_eq!(outgoing(&headers), None);
    }
}
