//! A small web server on a thread of its own.
//! Not here: who may talk to it (see `doors`), what it serves (see `dashboard`, `metrics`). Never in training's way: it
//! reads what `live` holds. Only reading, and on the loopback address unless told otherwise.

mod doors;

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpServer, web};
use crossbeam_channel::bounded;

pub use self::doors::Doors;

/// Connections at a time: a few browsers and scrapers.
const CONNECTIONS_MAX: usize = 64;

/// Checks every request, and says in every answer what a browser may do with it.
async fn guard(
    doors: web::Data<Doors>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = match doors.answer(&request) {
        Some(answer) => request.into_response(answer),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    Ok(response)
}

/// A running server; stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves what `routes` adds. Fails when the address can't be had.
    pub fn start(
        address: SocketAddr,
        doors: Doors,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let doors = web::Data::new(doors);
        let (ready, started) = bounded(1);
        let thread = std::thread::Builder::new().name("web".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new().app_data(web::Data::clone(&doors)).wrap(from_fn(guard)).configure(routes.clone())
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .max_connections(CONNECTIONS_MAX)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .listen(listener);
                match server {
                    Ok(server) => {
                        let server = server.run();
                        let _ = ready.send(Ok(server.handle()));
                        if let Err(error) = server.await {
                            tracing::warn!(%error, "the web server ended");
                        }
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        let handle = started.recv().unwrap_or_else(|_| Err(std::io::Error::other("the web server did not start")))?;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// Where it is, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The future only has to be made: it sends the command at once.
        let stopped = self.handle.stop(false);
        drop(stopped);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the web server ended in a panic");
        }
    }
}
