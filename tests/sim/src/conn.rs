//! Connections that a fault can cut without a byte of an answer, or in the middle of one.
//!
//! HTTP servers always answer; a cut cable doesn't. The handler marks the connection, and its next write fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long an unanswered call is held at most.
const HOLD: Duration = Duration::from_secs(600);

/// A web page where an answer should be, as from a captive portal.
pub(crate) const PORTAL: &str =
    "<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body></body></html>";

/// The handler's grip on its own connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Arc<AtomicBool>);

impl Line {
    /// From now on nothing goes out; the connection closes.
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Ends the exchange without a byte. What it returns is never seen.
    pub(crate) fn drop_answer(&self) -> Response {
        self.cut();
        StatusCode::OK.into_response()
    }

    /// Says nothing for as long as a caller could wait, or until the simulator ends; then the same.
    pub(crate) async fn keep_silent(&self, stopped: impl Future<Output = ()>) -> Response {
        tokio::select! {
            () = stopped => {}
            () = tokio::time::sleep(HOLD) => {}
        }
        self.drop_answer()
    }
}

/// Promises the whole body, sends a part of it and ends the connection.
pub(crate) fn torn(status: StatusCode, body: &str) -> Response {
    let half = Bytes::copy_from_slice(body.as_bytes().get(..body.len() / 2).unwrap_or_default());
    let parts = [Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    let mut response = (status, Body::from_stream(stream::iter(parts))).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, body.len().max(2).into());
    response
}

/// A stream that can be cut.
#[derive(Debug)]
pub(crate) struct CuttableStream<S> {
    stream: S,
    line: Line,
}

impl<S> CuttableStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, line: Line::default() }
    }

    pub(crate) fn line(&self) -> Line {
        self.line.clone()
    }
}

/// Accepts [`CuttableStream`]s.
#[derive(Debug)]
pub(crate) struct CuttableListener(pub(crate) TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        (CuttableStream::new(stream), addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().line()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CuttableStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CuttableStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.line.0.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
