//! A small web server on a thread of its own, and who may talk to it.
//! Not here: what it serves (see `dashboard`, `metrics`). Never in training's way: it reads what `live` holds.
//!
//! Only reading, and on the loopback address unless told otherwise. A page of somebody else's that the user's browser has
//! open can't read it: such requests carry another Host (DNS rebinding) or Origin, and are refused.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, HttpServer, web};
use crossbeam_channel::bounded;

/// Connections at a time: a few browsers and scrapers.
const CONNECTIONS_MAX: usize = 64;
/// Of the cookie that holds a token.
const TOKEN_COOKIE: &str = "fastgarden-token";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 16;

/// Who may talk to a server.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    /// Names beside `localhost` and addresses by which browsers may call it.
    pub hosts: Vec<String>,
    /// What must be shown; `None` on the loopback address.
    pub token: Option<String>,
}

impl Doors {
    /// For an address: what isn't loopback asks for a token.
    pub fn of(address: SocketAddr, hosts: Vec<String>) -> std::io::Result<Self> {
        let token = (!address.ip().is_loopback()).then(new_token).transpose()?;
        Ok(Self { hosts, token })
    }

    /// Whether a `Host` header, or the authority of an `Origin`, is one of ours. An address can't be rebound, so any will
    /// do.
    fn knows(&self, authority: &str) -> bool {
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => authority,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let is_listed = || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() || is_listed()
    }

    /// Why a request is refused, if it is.
    fn refusal(&self, request: &ServiceRequest) -> Option<&'static str> {
        let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
        if !text(header::HOST).is_some_and(|host| self.knows(host)) {
            return Some("this host name is not known here; start with --dashboard-host NAME to admit it");
        }
        if let Some(origin) = text(header::ORIGIN)
            && !origin.split_once("://").is_some_and(|(_, authority)| self.knows(authority))
        {
            return Some("this page may not be read from another site");
        }
        None
    }

    fn admits(&self, request: &ServiceRequest) -> bool {
        let Some(token) = &self.token else { return true };
        let in_header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let in_header = in_header.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let cookies = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let in_cookie = pairs.find(|(name, _)| *name == TOKEN_COOKIE).map(|(_, value)| value.to_owned());
        in_header.or(in_cookie).is_some_and(|shown| are_equal(&shown, token))
    }
}

/// Takes as long whatever differs.
fn are_equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

fn new_token() -> std::io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(fastgarden_data::plan::hex(&bytes))
}

/// Checks every request, and says in every answer what a browser may do with it.
async fn guard(
    doors: web::Data<Doors>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(refusal) = doors.refusal(&request) {
        let answer = HttpResponse::Forbidden().content_type("text/plain").body(refusal);
        return Ok(request.into_response(answer).map_into_boxed_body());
    }
    if !doors.admits(&request) {
        let answer = token_wanted(&doors, request.query_string());
        return Ok(request.into_response(answer).map_into_boxed_body());
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
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

/// Takes the token from the address into a cookie, so that it doesn't stay in the browser's history; else asks for it.
fn token_wanted(doors: &Doors, query: &str) -> HttpResponse {
    let shown = query.split('&').find_map(|pair| pair.strip_prefix("token="));
    match (&doors.token, shown) {
        (Some(token), Some(shown)) if are_equal(shown, token) => {
            let cookie = format!("{TOKEN_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
            HttpResponse::SeeOther()
                .insert_header((header::LOCATION, "/"))
                .insert_header((header::SET_COOKIE, cookie))
                .finish()
        }
        _ => HttpResponse::Unauthorized()
            .content_type("text/plain")
            .body("open the whole address that the program printed, with its token"),
    }
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
