//! What the server tells by itself: how a telephone and a key in it are doing. Pure.
//!
//! Callbacks carry no signature and no number; anybody who knows the address can send one, twice, late or in another order. What they
//! say is a hint: look at the server before anything follows from it. A text that is none is an error, never a panic.

use std::fmt;

use serde::Deserialize;

use crate::port::CredentialToken;

/// Longest body that is read, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// Why a body is no callback. Nothing of the body is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Longer than [`LONGEST`].
    #[error("the callback is too long")]
    TooLong,
    /// Not JSON of the published form.
    #[error("the callback can't be read")]
    Unreadable,
}

/// Where a key for a telephone stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialStatus {
    /// On its way.
    Issuing,
    /// In the telephone.
    Issued,
    /// On its way out.
    Revoking,
    /// Gone.
    Revoked,
    /// A word that we don't know.
    Other,
}

/// A callback. Its Debug form shows no endpoint: that is somebody's telephone.
#[derive(Clone, PartialEq, Eq)]
pub enum Callback {
    /// A telephone was set up, or is no longer.
    Endpoint {
        /// The vendor's word for the occasion.
        kind: String,
        /// The telephone.
        endpoint: String,
        /// The vendor's word for its state.
        status: String,
    },
    /// A key in a telephone changed.
    Credential {
        /// The vendor's word for the occasion.
        kind: String,
        /// The telephone.
        endpoint: String,
        /// The vendor's id of the key.
        credential: String,
        /// Where it stands.
        status: CredentialStatus,
        /// Our name for it; none for a key that somebody else made.
        token: Option<CredentialToken>,
    },
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { kind, status, .. } => {
                f.debug_struct("Endpoint").field("kind", kind).field("status", status).finish_non_exhaustive()
            }
            Self::Credential { kind, credential, status, token, .. } => f
                .debug_struct("Credential")
                .field("kind", kind)
                .field("credential", credential)
                .field("status", status)
                .field("token", token)
                .finish_non_exhaustive(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    callback_type: String,
    endpoint_id: String,
    endpoint_status: Option<String>,
    credential_id: Option<String>,
    credential_status: Option<String>,
    description: Option<String>,
}

/// Reads the body of a callback.
///
/// # Errors
/// When it is too long or not of the published form.
pub fn parse(body: &[u8]) -> Result<Callback, CallbackError> {
    if body.len() > LONGEST {
        return Err(CallbackError::TooLong);
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| CallbackError::Unreadable)?;
    let (kind, endpoint) = (body.callback_type, body.endpoint_id);
    match (body.credential_id, body.credential_status, body.endpoint_status) {
        (Some(credential), Some(status), _) => Ok(Callback::Credential {
            kind,
            endpoint,
            credential,
            status: match status.as_str() {
                "ISSUING" => CredentialStatus::Issuing,
                "ISSUED" => CredentialStatus::Issued,
                "REVOKING" => CredentialStatus::Revoking,
                "REVOKED" => CredentialStatus::Revoked,
                _ => CredentialStatus::Other,
            },
            token: body.description.and_then(|text| CredentialToken::new(text).ok()),
        }),
        (None, None, Some(status)) => Ok(Callback::Endpoint { kind, endpoint, status }),
        _ => Err(CallbackError::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CREDENTIAL: &str = r#"{"callbackType":"CREDENTIAL","systemId":"s","endpointId":"phone-77","credentialId":"c-1",
        "credentialStatus":"ISSUED","label":"Hotel 101","description":"lis-1",
        "validity":{"startDate":"20261123T1500","endDate":"20261125T1100"}}"#;

    #[test]
    fn both_kinds_are_read() {
        let endpoint =
            parse(br#"{"callbackType":"ENDPOINT","endpointId":"phone-77","endpointStatus":"ACTIVE"}"#).unwrap();
        assert!(matches!(&endpoint, Callback::Endpoint { status, .. } if status == "ACTIVE"));
        let Callback::Credential { credential, status, token, .. } = parse(CREDENTIAL.as_bytes()).unwrap() else {
            unreachable!("a credential was sent")
        };
        assert_eq!((credential.as_str(), status), ("c-1", CredentialStatus::Issued));
        assert_eq!(token.unwrap().as_str(), "lis-1");
    }

    #[test]
    fn a_name_of_somebody_else_is_no_token() {
        let foreign = CREDENTIAL.replace("lis-1", "Mr Müller, 101").replace("ISSUED", "PAUSED");
        let Callback::Credential { token, status, .. } = parse(foreign.as_bytes()).unwrap() else {
            unreachable!("a credential was sent")
        };
        assert_eq!((token, status), (None, CredentialStatus::Other));
    }

    #[test]
    fn what_is_no_callback_is_told_so() {
        for bad in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"callbackType":"X","endpointId":"e"}"#,
            r#"{"callbackType":1,"endpointId":"e"}"#,
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(CallbackError::Unreadable), "{bad}");
        }
        assert_eq!(parse(&vec![b' '; LONGEST + 1]), Err(CallbackError::TooLong));
    }

    #[test]
    fn debug_shows_no_telephone() {
        assert!(!format!("{:?}", parse(CREDENTIAL.as_bytes()).unwrap()).contains("phone-77"));
    }
}
