//! HTTPS with a certificate that nobody but the server vouches for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::sim::VisionlineSim;
use super::views::Fingerprints;
use crate::conn::{CuttableStream, Line};

/// A certificate with a key, ready to serve.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) fingerprints: Fingerprints,
    certificate: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
}

/// Shows one certificate to everybody. rustls would refuse a key that does not fit it; this does not ask.
#[derive(Debug)]
struct Sole(Arc<CertifiedKey>);

impl ResolvesServerCert for Sole {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl Identity {
    /// A new key and a certificate that it signs itself.
    pub(crate) fn generate() -> io::Result<Self> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let certificate = made.cert.der().clone();
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let key = any_supported_type(&der).map_err(io::Error::other)?;
        let public_key = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
        let fingerprints = Fingerprints {
            certificate: hex::encode(Sha256::digest(&certificate)),
            public_key: hex::encode(Sha256::digest(public_key)),
        };
        Ok(Self { tls: serving(&certificate, &key)?, fingerprints, certificate, key })
    }

    /// This certificate as somebody else would show it who has read it off the wire.
    pub(crate) fn copied_by(&self, other: &Self) -> io::Result<Self> {
        Ok(Self { tls: serving(&self.certificate, &other.key)?, key: Arc::clone(&other.key), ..self.clone() })
    }
}

fn serving(certificate: &CertificateDer<'static>, key: &Arc<dyn SigningKey>) -> io::Result<Arc<ServerConfig>> {
    let certified = CertifiedKey::new(vec![certificate.clone()], Arc::clone(key));
    let mut tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Sole(Arc::new(certified))));
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// Connections whose handshake is done.
#[derive(Debug)]
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(CuttableStream<TlsStream<TcpStream>>, SocketAddr)>,
    local: SocketAddr,
}

impl TlsListener {
    /// Shakes hands beside one another: a peer who says nothing holds up nobody. Ends with the simulator.
    pub(crate) fn start(listener: TcpListener, sim: VisionlineSim) -> io::Result<Self> {
        let local = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = sim.stopped() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, addr)) = accepted else { continue };
                // Without it small answers wait for the peer's delayed acknowledgement.
                let _ = stream.set_nodelay(true);
                let acceptor = TlsAcceptor::from(sim.identity().tls);
                let sender = sender.clone();
                tokio::spawn(async move {
                    match acceptor.accept(stream).await {
                        // A closed channel means that the server has ended.
                        Ok(stream) => {
                            let _ = sender.send((CuttableStream::new(stream), addr)).await;
                        }
                        Err(error) => tracing::debug!(%error, "no handshake"),
                    }
                });
            }
        });
        Ok(Self { ready, local })
    }
}

impl Listener for TlsListener {
    type Io = CuttableStream<TlsStream<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().line()
    }
}
