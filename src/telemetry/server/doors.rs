//! Who may talk to a server: by which name it is called, whose page asks, and whether the token is shown.
//! Not here: serving.
//!
//! A page of somebody else's that the user's browser has open can't read anything, and holds no connection: its requests
//! carry another Host (DNS rebinding), another Origin, or say that they come from another site, and are refused.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::header;

/// Of the cookie that holds a token; the port follows, for a browser shows its cookies to every port of a machine.
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

    /// The answer to a request that comes no further than here; `None` for one that may.
    pub(super) fn answer(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        if let Some(refusal) = self.refusal(request) {
            return Some(HttpResponse::Forbidden().content_type("text/plain").body(refusal));
        }
        let token = self.token.as_ref()?;
        let cookie = format!("{TOKEN_COOKIE}-{}", request.app_config().local_addr().port());
        let in_query = request.query_string().split('&').find_map(|pair| pair.strip_prefix("token="));
        let is_in_query = in_query.is_some_and(|shown| are_equal(shown, token));
        if is_in_query && request.path() == "/" {
            return Some(entered(&cookie, token));
        }
        let is_admitted = is_in_query || is_in_headers(request, &cookie, token);
        (!is_admitted).then(token_wanted)
    }

    /// Why a request is refused whatever it shows, if it is.
    fn refusal(&self, request: &ServiceRequest) -> Option<&'static str> {
        let text = |name: &'static str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
        let Some(host) = text("host").filter(|host| self.knows(host)) else {
            return Some("this host name is not known here; start with --dashboard-host NAME to admit it");
        };
        let is_foreign = text("origin").is_some_and(|origin| !self.is_ours(origin, host));
        // Browsers leave Origin out of pictures and the like, but say whose page asks. A link may lead here from anywhere.
        let is_within = matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
        let is_link = text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
        let is_refused = is_foreign || !(is_within || is_link);
        is_refused.then_some("this page may not be read from another site")
    }

    /// Whether a `Host` header names us. An address can't be rebound, so any will do.
    fn knows(&self, authority: &str) -> bool {
        let name = name_of(authority);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() || self.lists(name)
    }

    /// Whether an `Origin` is what was called, or a proxy of ours, whose ports aren't known here.
    fn is_ours(&self, origin: &str, host: &str) -> bool {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host) || self.lists(name_of(authority)))
    }

    fn lists(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }
}

/// `localhost:7878` → `localhost`, `[::1]:7878` → `::1`.
fn name_of(authority: &str) -> &str {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

fn is_in_headers(request: &ServiceRequest, cookie: &str, token: &str) -> bool {
    let texts = |name: &'static str| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let bearers = texts("authorization").filter_map(|value| value.strip_prefix("Bearer "));
    let pairs = texts("cookie").flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let in_cookies = pairs.filter(|(name, _)| *name == cookie).map(|(_, value)| value);
    bearers.chain(in_cookies).any(|shown| are_equal(shown, token))
}

/// Takes the token of the page's address into a cookie, so that it doesn't stay in the browser's history.
///
/// Without a path a cookie belongs to the page's folder as the browser sees it, also behind a proxy's prefix; for the same
/// reason the way on is a relative one. Lax, because a link on another site (a notebook's, a mail's) leads here with it.
fn entered(cookie: &str, token: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "./"))
        .insert_header((header::SET_COOKIE, format!("{cookie}={token}; HttpOnly; SameSite=Lax")))
        .finish()
}

fn token_wanted() -> HttpResponse {
    HttpResponse::Unauthorized()
        .content_type("text/plain")
        .body("open the whole address that the program printed last, with its token")
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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(path: &str, headers: &[(&str, &str)]) -> ServiceRequest {
        let plain = TestRequest::with_uri(path).insert_header(("host", "127.0.0.1:7878"));
        headers.iter().fold(plain, |request, (name, value)| request.insert_header((*name, *value))).to_srv_request()
    }

    /// The status of the answer at the door; `None` for a request that may pass.
    fn status(doors: &Doors, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        doors.answer(&asked(path, headers)).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn only_the_pages_own_origin_and_listed_hosts_may_ask() {
        let doors = Doors { hosts: vec!["notebooks.example".to_owned()], token: None };
        for origin in ["http://127.0.0.1:7878", "https://notebooks.example", "https://Notebooks.Example:8443"] {
            assert_eq!(status(&doors, "/", &[("origin", origin)]), None, "{origin}");
        }
        for origin in ["http://203.0.113.7", "http://localhost:3000", "http://127.0.0.1:3000", "null", ""] {
            assert_eq!(status(&doors, "/", &[("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(status(&doors, "/", &[("host", "[::1]:7878"), ("origin", "http://[::1]:7878")]), None);
        assert_eq!(status(&doors, "/", &[("host", "evil.example"), ("origin", "http://evil.example")]), Some(403));
    }

    #[test]
    fn another_sites_page_may_link_here_and_nothing_else() {
        let doors = Doors::default();
        let fetched = |site, mode, dest| {
            status(&doors, "/events", &[("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)])
        };
        assert_eq!(fetched("same-origin", "cors", "empty"), None);
        assert_eq!(fetched("none", "navigate", "document"), None);
        assert_eq!(fetched("cross-site", "navigate", "document"), None);
        assert_eq!(fetched("cross-site", "navigate", "iframe"), Some(403));
        assert_eq!(fetched("cross-site", "no-cors", "image"), Some(403));
        assert_eq!(fetched("same-site", "no-cors", "image"), Some(403), "another port of this machine");
    }

    #[test]
    fn a_token_opens_by_address_header_or_the_cookie_of_this_port() {
        let doors = Doors { hosts: Vec::new(), token: Some("secret".to_owned()) };
        assert_eq!(status(&doors, "/metrics", &[]), Some(401));
        assert_eq!(status(&doors, "/metrics?token=forget", &[]), Some(401));
        assert_eq!(status(&doors, "/metrics?token=secret", &[]), None, "a scraper keeps no cookie");
        assert_eq!(status(&doors, "/metrics", &[("authorization", "Bearer secret")]), None);
        // A request that didn't come over a network has this port.
        assert_eq!(status(&doors, "/", &[("cookie", "a=b; fastgarden-token-8080=secret")]), None);
        assert_eq!(status(&doors, "/", &[("cookie", "fastgarden-token-8081=secret")]), Some(401));
    }

    #[test]
    fn the_pages_address_with_a_token_leads_on_without_it_behind_any_prefix() {
        let doors = Doors { hosts: Vec::new(), token: Some("secret".to_owned()) };
        let answer = doors.answer(&asked("/?token=secret", &[])).expect("it leads on");
        let header = |name: &'static str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(answer.status().as_u16(), 303);
        assert_eq!(header("location"), Some("./"));
        assert_eq!(header("set-cookie"), Some("fastgarden-token-8080=secret; HttpOnly; SameSite=Lax"));
    }
}
