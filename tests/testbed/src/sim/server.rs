//! The HTTP side: requests, their log, and the faults that they run into.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{ConnectInfo, RawQuery, State as Shared};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::control;
use super::fault::{Body, Fault, Faults, Rule};
use super::listener::{CutListener, Cuts, Peer};
use super::reply::{ApiError, Reply, list_body, response_key};
use super::state::Scope;
use super::world::World;

type Parameters = BTreeMap<String, String>;
type Hook = Box<dyn FnOnce(&World) + Send>;
type Watch = Box<dyn FnMut(&World, usize) + Send>;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Site {
    pub world: World,
    faults: Arc<Mutex<Faults>>,
    log: Arc<Mutex<Vec<(String, Parameters)>>>,
    hooks: Arc<Mutex<Vec<(String, String, Hook)>>>,
    watch: Arc<Mutex<Option<Watch>>>,
    cuts: Cuts,
}

/// A running management server, on threads of its own. It ends when it is dropped.
pub struct Simulator {
    site: Site,
    runtime: Option<Runtime>,
    serving: Mutex<Option<AbortHandle>>,
    address: SocketAddr,
    /// The API key of the root administrator.
    pub api_key: String,
    /// Its secret.
    pub secret_key: String,
}

impl Simulator {
    /// Starts a server on a free loopback port.
    pub fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], crate::watchdog::free_port())))
    }

    /// Starts a server at this IPv4 address.
    pub fn start_at(address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = World::new();
        let (api_key, secret_key) = ("root-admin-api-key".to_owned(), "root-admin-Secret_key~1".to_owned());
        world.add_key(&api_key, &secret_key, Scope::Root);
        let site = Site {
            world,
            faults: Arc::default(),
            log: Arc::default(),
            hooks: Arc::default(),
            watch: Arc::default(),
            cuts: Arc::default(),
        };
        let simulator =
            Self { site, runtime: Some(runtime), serving: Mutex::new(None), address, api_key, secret_key };
        simulator.up()?;
        Ok(simulator)
    }

    /// `http://127.0.0.1:PORT/client/api`, as CS_ENDPOINT wants it.
    pub fn endpoint(&self) -> String {
        format!("http://{}/client/api", self.address)
    }

    /// The port at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT/control`, for the calls listed in the module's documentation.
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.address)
    }

    /// The cloud, to change it.
    pub fn world(&self) -> &World {
        &self.site.world
    }

    /// Refuses connections and resets those that there are.
    pub fn down(&self) {
        if let Some(serving) = self.serving.lock().expect("no holder panics").take() {
            serving.abort();
        }
        for cut in self.site.cuts.lock().expect("no holder panics").drain(..) {
            if let Some(cut) = cut.upgrade() {
                cut.cut();
            }
        }
    }

    /// Serves again, on the same port.
    pub fn up(&self) -> Result<()> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let address = self.address;
        let socket = {
            let _inside = runtime.enter();
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            bind_again(&socket, address)?;
            socket.listen(256)?
        };
        let listener = CutListener { inner: socket, cuts: self.site.cuts.clone() };
        let router = axum::Router::new()
            .route("/client/api", any(api))
            .route("/client/api/", any(api))
            .route("/control/{call}", post(control::control))
            .with_state(self.site.clone());
        let service = router.into_make_service_with_connect_info::<Peer>();
        let task = runtime.spawn(async move {
            let _ = axum::serve(listener, service).await;
        });
        *self.serving.lock().expect("no holder panics") = Some(task.abort_handle());
        Ok(())
    }

    /// Every request takes this much longer.
    pub fn set_latency(&self, latency: Duration) {
        self.site.faults.lock().expect("no holder panics").latency = latency;
    }

    /// The next `times` requests fail.
    pub fn fail_next(&self, times: usize, fault: Fault) {
        self.site.fail(None, 0, times, fault);
    }

    /// The next `times` requests of a command fail.
    pub fn fail_next_of(&self, command: &str, times: usize, fault: Fault) {
        self.site.fail(Some(command), 0, times, fault);
    }

    /// After `skip` requests (of a command, or any) the next `times` fail: for sweeps by number.
    pub fn fail_after(&self, command: Option<&str>, skip: usize, times: usize, fault: Fault) {
        self.site.fail(command, skip, times, fault);
    }

    /// Takes all faults and the latency away.
    pub fn heal(&self) {
        self.site.heal();
    }

    /// Runs `hook` once, right before page `page` of a listing is read: the world moves underneath.
    pub fn before_page(&self, command: &str, page: usize, hook: impl FnOnce(&World) + Send + 'static) {
        let entry: (String, String, Hook) = (command.to_lowercase(), page.to_string(), Box::new(hook));
        self.site.hooks.lock().expect("no holder panics").push(entry);
    }

    /// Runs `watch` before every page of every listing of VMs from now on, with the page's number: the
    /// world never stops moving. Look-ups by id are no listings.
    pub fn before_every_page(&self, watch: impl FnMut(&World, usize) + Send + 'static) {
        *self.site.watch.lock().expect("no holder panics") = Some(Box::new(watch));
    }

    /// The next `times` requests that ask about VMs by id fail; listings go on.
    pub fn fail_looks(&self, times: usize, fault: Fault) {
        let command = Some("listvirtualmachines".to_owned());
        let rule = Rule { command, looks: true, skip: 0, left: times, fault };
        self.site.faults.lock().expect("no holder panics").rules.push(rule);
    }

    /// Whether every fault has struck as often as it was to.
    pub fn has_struck(&self) -> bool {
        self.site.faults.lock().expect("no holder panics").rules.is_empty()
    }

    /// How many requests of a command came, refused and failed ones included.
    pub fn requests(&self, command: &str) -> usize {
        self.log().iter().filter(|(name, _)| name.eq_ignore_ascii_case(command)).count()
    }

    /// All requests: command and parameters, signature included.
    pub fn log(&self) -> Vec<(String, Parameters)> {
        self.site.log.lock().expect("no holder panics").clone()
    }

    /// Begins the log anew.
    pub fn clear_log(&self) {
        self.site.log.lock().expect("no holder panics").clear();
    }
}

/// The port may still be held by connections that are just going.
fn bind_again(socket: &tokio::net::TcpSocket, address: SocketAddr) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match socket.bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < 100 => tries += 1,
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.down();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Site {
    pub fn fail(&self, command: Option<&str>, skip: usize, left: usize, fault: Fault) {
        let command = command.map(str::to_lowercase);
        let rule = Rule { command, looks: false, skip, left, fault };
        self.faults.lock().expect("no holder panics").rules.push(rule);
    }

    pub fn heal(&self) {
        *self.faults.lock().expect("no holder panics") = Faults::default();
    }

    fn run_hooks(&self, command: &str, parameters: &Parameters) {
        let Some(page) = parameters.get("page") else { return };
        if command == "listvirtualmachines"
            && !is_look(parameters)
            && let Some(watch) = self.watch.lock().expect("no holder panics").as_mut()
        {
            watch(&self.world, page.parse().unwrap_or_default());
        }
        let mut due = Vec::new();
        let mut hooks = self.hooks.lock().expect("no holder panics");
        let (now, later) = hooks.drain(..).partition(|(name, number, _)| name == command && number == page);
        *hooks = later;
        due.extend::<Vec<_>>(now);
        drop(hooks);
        for (_, _, hook) in due {
            hook(&self.world);
        }
    }
}

/// An answer with the server's own time.
async fn api(
    site: Shared<Site>,
    peer: ConnectInfo<Peer>,
    method: Method,
    query: RawQuery,
    body: Bytes,
) -> Response {
    let world = site.world.clone();
    let mut response = answer(site, peer, method, query, body).await;
    let date = super::sign::http_date(super::api::now(&world.read()));
    response.headers_mut().insert(header::DATE, date.parse().expect("a date is ASCII"));
    response
}

async fn answer(
    Shared(site): Shared<Site>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let mut sent = decode(query.as_deref().unwrap_or_default());
    if method == Method::POST {
        sent.extend(decode(&String::from_utf8_lossy(&body)));
    }
    let parameters: Parameters =
        sent.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let command = parameters.get("command").cloned().unwrap_or_default();
    let lower = command.to_lowercase();
    site.log.lock().expect("no holder panics").push((command.clone(), parameters.clone()));
    let (fault, latency) = {
        let mut faults = site.faults.lock().expect("no holder panics");
        (faults.next(&lower, is_look(&parameters)), faults.latency)
    };
    tokio::time::sleep(latency).await;
    match &fault {
        Some(Fault::Hang) => return pending().await,
        Some(Fault::Reset) => {
            peer.0.cut();
            return pending().await;
        }
        Some(Fault::Late(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Status(status, body)) => return failure(*status, body, &lower),
        Some(Fault::Html503) => {
            let page = "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this \
                        request.\n</body></html>\n";
            return failure(503, &Body::Html(page.into()), &lower);
        }
        _ => {}
    }
    site.run_hooks(&lower, &parameters);
    let reply = super::api::answer(&site.world.read(), &sent, method == Method::POST);
    let reply = reply.unwrap_or_else(Reply::Error);
    if !parameters.get("response").is_some_and(|wanted| wanted.eq_ignore_ascii_case("json")) {
        // Without `response=json` a management server speaks XML.
        let status = if let Reply::Error(error) = &reply { error.status } else { 200 };
        return xml(status);
    }
    if let Some(Fault::Stale(gate)) = &fault {
        gate.pass().await;
    }
    respond(reply, fault.as_ref(), &lower)
}

/// Whether a request asks about VMs by id.
fn is_look(parameters: &Parameters) -> bool {
    parameters.contains_key("id") || parameters.contains_key("ids")
}

fn respond(reply: Reply, fault: Option<&Fault>, command: &str) -> Response {
    let text = match reply {
        Reply::Error(error) => return refusal(&error, command),
        Reply::Plain(text) => text,
        Reply::List { count, key, mut items } => {
            let mut count = i64::try_from(count).unwrap_or(i64::MAX);
            match fault {
                Some(Fault::WrongCount(delta)) => count += delta,
                Some(Fault::ShortPage | Fault::ShortNoCount) => drop(items.pop()),
                _ => {}
            }
            let body = list_body(command, count, key, &items);
            match fault {
                Some(Fault::NoCount | Fault::ShortNoCount) => {
                    body.replacen(&format!("\"count\":{count},"), "", 1)
                }
                _ => body,
            }
        }
    };
    match fault {
        Some(Fault::EmptyObject) => json(200, format!("{{\"{}\":{{}}}}", response_key(command))),
        Some(Fault::Truncate) => truncated(&text),
        _ => json(200, text),
    }
}

fn json(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], text).into_response()
}

fn xml(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], "<?xml version=\"1.0\"?>").into_response()
}

fn refusal(error: &ApiError, command: &str) -> Response {
    let mut response = json(error.status, error.body(command));
    if let Ok(value) = error.text.parse() {
        response.headers_mut().insert("X-Description", value);
    }
    response
}

fn failure(status: u16, body: &Body, command: &str) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        Body::Json(text) => refusal(&ApiError::new(status, Some(9999), text.as_str()), command),
        Body::Html(page) => (code, [(header::CONTENT_TYPE, "text/html")], page.clone()).into_response(),
        Body::Empty => code.into_response(),
    }
}

/// Promises the whole and sends half.
fn truncated(text: &str) -> Response {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let parts: [io::Result<Bytes>; 2] = [Ok(half), Err(io::ErrorKind::ConnectionAborted.into())];
    let body = HttpBody::from_stream(futures_util::stream::iter(parts));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from(text.len()));
    response
}

/// Pairs of a query or a form.
fn decode(text: &str) -> Vec<(String, String)> {
    let plain = |part: &str| {
        let part = part.replace('+', "%20");
        percent_encoding::percent_decode_str(&part).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (plain(k), plain(v))).collect()
}
