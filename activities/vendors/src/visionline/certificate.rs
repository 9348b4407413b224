//! The server's certificate, pinned.
//!
//! A Visionline server signs its certificate itself, so there is no authority to ask. Instead the property's set-up names the
//! fingerprint of the certificate, or of its public key, and no other server is spoken to. Name and expiry don't count: the pin says
//! more. The handshake's signature is verified as always; else anybody could show a copy of the certificate.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};

/// A SHA-256 fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; 32]);

impl Pin {
    /// Reads 64 hexadecimal digits, with or without colons.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) certificate: Pin,
    /// None when the certificate can't be read.
    pub(crate) public_key: Option<Pin>,
}

impl Shown {
    fn of(der: &CertificateDer<'_>) -> Self {
        let key = ParsedCertificate::try_from(der).ok().map(|parsed| Pin::of(&parsed.subject_public_key_info()));
        Self { certificate: Pin::of(der), public_key: key }
    }
}

/// Accepts one certificate, or all certificates of one key.
#[derive(Debug)]
pub(crate) struct PinnedServer {
    certificate: Option<Pin>,
    public_key: Option<Pin>,
    provider: Arc<CryptoProvider>,
    refused: Mutex<Option<Shown>>,
}

impl PinnedServer {
    /// At least one of the two should be given; with both, both must fit.
    pub(crate) fn new(certificate: Option<Pin>, public_key: Option<Pin>) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Self { certificate, public_key, provider, refused: Mutex::new(None) })
    }

    /// The certificate that was last refused, unless a good one came since.
    pub(crate) fn refused(&self) -> Option<Shown> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// TLS that trusts this server only. Sessions are not resumed: a resumed one shows no certificate.
    pub(crate) fn client_config(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let verifier: Arc<dyn ServerCertVerifier> = Arc::<Self>::clone(self);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    fn fits(&self, shown: &Shown) -> bool {
        let certificate = self.certificate.is_none_or(|pin| pin == shown.certificate);
        let key = self.public_key.is_none_or(|pin| Some(pin) == shown.public_key);
        certificate && key && (self.certificate.is_some() || self.public_key.is_some())
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown::of(end_entity);
        let fits = self.fits(&shown);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = (!fits).then_some(shown);
        if fits {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(certificate: u8, key: u8) -> Shown {
        Shown { certificate: Pin([certificate; 32]), public_key: Some(Pin([key; 32])) }
    }

    #[test]
    fn a_fingerprint_is_read_in_both_usual_forms() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Pin::from_text(&plain), Pin::from_text(&colons));
        assert_eq!(Pin::from_text(&plain).unwrap().to_string(), plain);
        for bad in ["", "ab", "zz", &plain[1..]] {
            assert_eq!(Pin::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_pin_that_is_given_must_fit() {
        let (one, two) = (Pin([1; 32]), Pin([2; 32]));
        assert!(PinnedServer::new(Some(one), None).fits(&shown(1, 9)));
        assert!(PinnedServer::new(None, Some(two)).fits(&shown(9, 2)));
        assert!(!PinnedServer::new(Some(one), Some(two)).fits(&shown(1, 9)));
        assert!(!PinnedServer::new(None, None).fits(&shown(1, 2)));
        assert!(!PinnedServer::new(None, Some(two)).fits(&Shown { public_key: None, ..shown(1, 2) }));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_remembered() {
        let server = PinnedServer::new(Some(Pin([1; 32])), None);
        let name = ServerName::try_from("visionline.example").unwrap();
        let junk = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert!(server.verify_server_cert(&junk, &[], &name, &[], UnixTime::now()).is_err());
        let seen = server.refused().unwrap();
        assert_eq!((seen.certificate, seen.public_key), (Pin::of(&junk), None));
    }
}
