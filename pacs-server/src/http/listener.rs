//! Accepting connections and serving HTTP/1.1 on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use storage_config::config::HttpLimits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::io::PatientStream;
use super::tls::Tls;

/// Bytes that one connection may have read ahead; headers are bounded further by `HttpLimits::header_bytes`.
const READ_AHEAD: usize = 256 * 1024;
/// How long requests under way get when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// A bound HTTP listener.
pub(crate) struct HttpServer {
    listener: TcpListener,
    limits: HttpLimits,
    tls: Option<Arc<Tls>>,
}

impl HttpServer {
    /// Binds `address`; port 0 takes a free one. Connections are encrypted with `tls`, if there is one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub(crate) async fn bind(
        address: SocketAddr,
        limits: HttpLimits,
        tls: Option<Arc<Tls>>,
    ) -> std::io::Result<HttpServer> {
        Ok(HttpServer { listener: TcpListener::bind(address).await?, limits, tls })
    }

    /// The address in use.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves `router` until `stop` becomes true, then lets requests under way end.
    pub(crate) async fn run(self, router: Router, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections as usize));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly; the next connection may fare better.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                metrics::counter!("http_connections_refused_total").increment(1);
                continue;
            };
            let (router, limits, watcher) = (router.clone(), self.limits, graceful.watcher());
            let tls = self.tls.as_ref().map(|tls| tls.acceptor());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let stream = PatientStream::new(stream, Duration::from_secs(limits.idle_seconds));
                // A peer that breaks the protocol or goes away is its own affair.
                match tls {
                    None => drop(watcher.watch(serve(stream, peer, router, limits)).await),
                    Some(tls) => {
                        if let Some(stream) = shake_hands(&tls, stream, limits).await {
                            drop(watcher.watch(serve(stream, peer, router, limits)).await);
                        }
                    }
                }
                drop(slot);
            });
        }
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!("some HTTP requests were still under way at the end");
        }
    }
}

/// Agrees on keys, within the time that headers have too.
async fn shake_hands(
    tls: &TlsAcceptor,
    stream: PatientStream,
    limits: HttpLimits,
) -> Option<TlsStream<PatientStream>> {
    let shaking = tls.accept(stream);
    match tokio::time::timeout(Duration::from_secs(limits.header_seconds), shaking).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(_)) | Err(_) => {
            metrics::counter!("http_handshakes_failed_total").increment(1);
            None
        }
    }
}

fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: HttpLimits,
) -> http1::Connection<
    TokioIo<S>,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = axum::response::Response,
        Error = std::convert::Infallible,
        Future: Send,
    >,
> {
    let io = TokioIo::new(stream);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let router = router.clone();
        async move {
            if header_bytes(&request) > limits.header_bytes as usize {
                return Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response());
            }
            request.extensions_mut().insert(ConnectInfo(peer));
            router.oneshot(request).await
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds))
        .max_buf_size(READ_AHEAD)
        .serve_connection(io, service)
}

fn header_bytes(request: &Request<Incoming>) -> usize {
    let line = request.uri().path_and_query().map_or(0, |p| p.as_str().len());
    line + request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}
