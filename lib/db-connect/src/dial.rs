//! Endpoints, addresses and encryptions in turn, within one deadline.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use settings::PostgresTarget;
use settings::target::{
    ChannelBinding, Endpoint, Host, SessionAttrs, SslMode, SslNegotiation, Verification,
};

use crate::attempt::Attempt;
use crate::cancel::{CancelHandle, Way};
use crate::connector::{Connector, Encryption, Tls};
use crate::link::{Link, Route};
use crate::watch::Shared;
use crate::{ConnectError, ServerError, route, trust};

/// How long connecting may take where neither options nor target say: a serverless database wakes
/// up in that time.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);

/// The oldest major version of PostgreSQL that the programs work with: the catalogs that they read
/// are there since then.
pub const SERVER_MAJOR_LEAST: u32 = 13;

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the server shows the session as: the tool's name and the run id.
    pub application_name: String,
    /// Longest time for everything: the host's name, TCP, TLS, the login. `None`: the target's
    /// `connect_timeout`, or [`CONNECT_TIMEOUT_DEFAULT`].
    pub connect_timeout: Option<Duration>,
    /// Longest silence of the server while an answer of its is awaited; `None` waits for ever. It
    /// has to exceed the statement timeout, or the server's own answer to that is never heard.
    pub answer_timeout: Option<Duration>,
    /// Longest time for the whole answer to one request, whatever the server says meanwhile; `None`
    /// waits for ever.
    pub request_limit: Option<Duration>,
}

impl Options {
    /// Default timeouts: [`CONNECT_TIMEOUT_DEFAULT`] to connect, none for answers.
    pub fn new(application_name: impl Into<String>) -> Options {
        Options {
            application_name: application_name.into(),
            connect_timeout: None,
            answer_timeout: None,
            request_limit: None,
        }
    }
}

/// Connects to a target as libpq would, and finds out who answers.
///
/// # Errors
///
/// See [`ConnectError`]; with several hosts the last one's.
pub fn connect(target: &PostgresTarget, options: &Options) -> Result<Link, ConnectError> {
    let timeout = options
        .connect_timeout
        .or(target.connect_timeout)
        .unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    let deadline = Instant::now() + timeout;
    let (sender, receiver) = mpsc::sync_channel(1);
    let dialing = Dialing {
        target: target.clone(),
        options: options.clone(),
        timeout,
        config: OnceCell::new(),
    };
    // On a thread of its own: the resolver of the C library knows no deadline.
    std::thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            // Nobody listens any more where the deadline has passed; the link is closed then.
            let _ = sender.send(dialing.dial(deadline));
        })
        .map_err(ConnectError::Thread)?;
    // The dialing keeps the deadline itself, and says better what did not answer.
    let patience = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(200);
    receiver.recv_timeout(patience).unwrap_or_else(|_| {
        let endpoints: Vec<String> = target.endpoints.iter().map(Endpoint::to_string).collect();
        Err(ConnectError::Deadline {
            endpoint: endpoints.join(","),
            within: timeout,
        })
    })
}

struct Dialing {
    target: PostgresTarget,
    options: Options,
    timeout: Duration,
    config: OnceCell<Arc<ClientConfig>>,
}

/// One address of one endpoint.
struct Place<'a> {
    endpoint: &'a Endpoint,
    name: String,
    address: Address,
}

enum Address {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

impl Dialing {
    fn dial(&self, deadline: Instant) -> Result<Link, ConnectError> {
        let wanted = self.target.target_session_attrs;
        match self.try_endpoints(wanted, deadline) {
            Err(ConnectError::SessionAttrs { .. }) if wanted == SessionAttrs::PreferStandby => {
                self.try_endpoints(SessionAttrs::Any, deadline)
            }
            result => result,
        }
    }

    fn try_endpoints(&self, wanted: SessionAttrs, deadline: Instant) -> Result<Link, ConnectError> {
        let endpoints = &self.target.endpoints;
        in_turn(endpoints, deadline, |endpoint, deadline| {
            let places = self.places(endpoint)?;
            in_turn(&places, deadline, |place, deadline| {
                self.try_place(place, wanted, deadline)
            })
        })
    }

    fn places<'a>(&self, endpoint: &'a Endpoint) -> Result<Vec<Place<'a>>, ConnectError> {
        let port = endpoint.port;
        let addresses = match &endpoint.host {
            Host::Socket(dir) => vec![Address::Socket(dir.join(format!(".s.PGSQL.{port}")))],
            Host::Tcp {
                address: Some(address),
                ..
            } => vec![Address::Tcp(SocketAddr::new(*address, port))],
            Host::Tcp {
                name,
                address: None,
            } => {
                let found = (name.as_str(), port).to_socket_addrs();
                let mut found: Vec<SocketAddr> = found
                    .map_err(|source| ConnectError::Resolve {
                        host: name.clone(),
                        source,
                    })?
                    .collect();
                found.dedup();
                found.into_iter().map(Address::Tcp).collect()
            }
        };
        let place = |address| Place {
            endpoint,
            name: endpoint.to_string(),
            address,
        };
        Ok(addresses.into_iter().map(place).collect())
    }

    /// One address, with as many attempts as `sslmode` allows.
    fn try_place(
        &self,
        place: &Place<'_>,
        wanted: SessionAttrs,
        deadline: Instant,
    ) -> Result<Link, ConnectError> {
        let attempt = |encryption| self.attempt(place, encryption, wanted, deadline);
        if matches!(place.address, Address::Socket(_)) {
            return attempt(Encryption::Never);
        }
        match self.target.sslmode {
            SslMode::Disable => attempt(Encryption::Never),
            SslMode::Allow => match attempt(Encryption::Never) {
                Err(error) if is_unwelcome(&error) => {
                    match attempt(Encryption::Always(self.tls(place)?)) {
                        Ok(link) => Ok(link),
                        Err(_) => Err(error),
                    }
                }
                result => result,
            },
            SslMode::Prefer => match attempt(Encryption::IfOffered(self.tls(place)?)) {
                Err(error) if is_unwelcome(&error) || is_of_tls(&error) => {
                    let Ok(mut link) = attempt(Encryption::Never) else {
                        return Err(error);
                    };
                    link.warnings.push(format!(
                        "the connection is not encrypted: TLS failed, and sslmode prefer allows \
                         that ({})",
                        contract::Failure::from(error).line()
                    ));
                    Ok(link)
                }
                result => result,
            },
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                attempt(Encryption::Always(self.tls(place)?))
            }
        }
    }

    fn tls(&self, place: &Place<'_>) -> Result<Tls, ConnectError> {
        let config = match self.config.get() {
            Some(config) => Arc::clone(config),
            None => {
                let config = trust::client_config(&self.target)?;
                Arc::clone(self.config.get_or_init(|| config))
            }
        };
        let name = place.endpoint.host.to_string();
        let server_name = match ServerName::try_from(name.clone()) {
            Ok(name) => name,
            Err(_) if self.target.verification() == Verification::Full => {
                return Err(ConnectError::ServerName { host: name });
            }
            // An address is never sent as server name, and here nothing is compared with it.
            Err(_) => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        Ok(Tls {
            config,
            server_name,
            direct: self.target.sslnegotiation == SslNegotiation::Direct,
            bind: self.target.channel_binding != ChannelBinding::Disable,
        })
    }

    fn attempt(
        &self,
        place: &Place<'_>,
        encryption: Encryption,
        wanted: SessionAttrs,
        deadline: Instant,
    ) -> Result<Link, ConnectError> {
        let shared = Shared::connecting(deadline);
        let attempt = Attempt {
            endpoint: &place.name,
            sslmode: self.target.sslmode,
            timeout: self.timeout,
            has_password: self.target.password_for(place.endpoint).is_some(),
        };
        let mut config = self.driver_config(place, deadline);
        let mut connector = Connector {
            encryption,
            unix_socket: None,
            shared: Arc::clone(&shared),
        };
        let mut own = true;
        // Holds the port that the driver connects to until it has.
        let mut _decoy = None;
        match &place.address {
            Address::Tcp(address) => {
                // The name is for the driver's look of things only: it must not be empty.
                config.host(&place.endpoint.host.to_string());
                config.hostaddr(address.ip()).port(address.port());
            }
            Address::Socket(path) => match decoy() {
                Some((listener, address)) => {
                    config.host("localhost").hostaddr(address.ip());
                    config.port(address.port());
                    connector.unix_socket = Some(path.clone());
                    _decoy = Some(listener);
                }
                None => {
                    own = false;
                    config.host_path(path.parent().unwrap_or(path));
                    config.port(place.endpoint.port);
                    config.ssl_mode(postgres::config::SslMode::Disable);
                    config.ssl_negotiation(postgres::config::SslNegotiation::Postgres);
                }
            },
        }
        let heard = Arc::clone(&shared);
        config.notice_callback(move |said| heard.heard(&ServerError::from(&said)));
        let failed = |error| attempt.failed(error);
        let mut client = config.connect(connector.clone()).map_err(failed)?;
        let said = route::ask(&mut client).map_err(failed)?;
        if !route::fits(wanted, &said) {
            return Err(ConnectError::SessionAttrs { wanted });
        }
        if said.version_num < SERVER_MAJOR_LEAST * 10_000 {
            return Err(ConnectError::TooOld {
                endpoint: place.name.clone(),
                version: said.version,
            });
        }
        let facts = std::mem::take(&mut *shared.facts());
        shared.set_answer_timeout(self.options.answer_timeout);
        shared.set_request_limit(self.options.request_limit);
        let route = if own {
            route::route(facts.key.map(|(pid, _)| pid), said.pid)
        } else {
            Route::Unknown {
                why: "this process may not use the loopback network".to_owned(),
            }
        };
        let way = match facts.key {
            Some(key) => Way::Own {
                connector,
                address: match place.address {
                    Address::Tcp(address) => Some(address),
                    Address::Socket(_) => None,
                },
                key,
            },
            None => Way::Driver(client.cancel_token()),
        };
        Ok(Link {
            client,
            tls: facts.tls,
            route,
            backend_pid: facts.key.map(|(pid, _)| pid),
            endpoint: place.name.clone(),
            in_recovery: said.in_recovery,
            server_version_num: said.version_num,
            warnings: Vec::new(),
            shared,
            cancel: CancelHandle { way },
        })
    }

    fn driver_config(&self, place: &Place<'_>, deadline: Instant) -> postgres::Config {
        let target = &self.target;
        let mut config = postgres::Config::new();
        config
            .user(&target.user)
            .dbname(&target.database)
            .application_name(&self.options.application_name)
            .connect_timeout(deadline.saturating_duration_since(Instant::now()))
            .ssl_mode(postgres::config::SslMode::Require)
            .ssl_negotiation(postgres::config::SslNegotiation::Direct)
            .channel_binding(match target.channel_binding {
                ChannelBinding::Disable => postgres::config::ChannelBinding::Disable,
                ChannelBinding::Prefer => postgres::config::ChannelBinding::Prefer,
                ChannelBinding::Require => postgres::config::ChannelBinding::Require,
            })
            // A server that vanished without a word is noticed within a minute, busy or idle.
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(60));
        if let Some(password) = target.password_for(place.endpoint) {
            config.password(password.expose());
        }
        if let Some(options) = &target.options {
            config.options(options);
        }
        config
    }
}

/// The driver hands its socket to a connector over TCP alone. To have a Unix socket watched as
/// well, it gets a connection to this listener, which nobody ever answers, and the connector
/// leaves that be. Nothing where this process may not use the loopback network.
fn decoy() -> Option<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let address = listener.local_addr().ok()?;
    // A filter may drop what is sent there without a word.
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()?;
    Some((listener, address))
}

/// Tries each in turn, with an equal share of the time that is left, until one succeeds or one
/// fails for a reason that the next would share.
fn in_turn<P, T>(
    places: &[P],
    deadline: Instant,
    mut attempt: impl FnMut(&P, Instant) -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    let mut count = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let mut last = None;
    for place in places {
        let left = deadline.saturating_duration_since(Instant::now());
        match attempt(place, Instant::now() + left / count.max(1)) {
            Err(error) if error.is_of_this_server() => last = Some(error),
            result => return result,
        }
        count -= 1;
    }
    Err(last.unwrap_or_else(|| ConnectError::Resolve {
        host: "(none)".to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    }))
}

/// Whether the server's access rules (pg_hba.conf) turned the attempt away: the other encryption
/// may be let in.
fn is_unwelcome(error: &ConnectError) -> bool {
    error.sqlstate() == Some("28000")
}

/// Whether it is TLS that failed.
fn is_of_tls(error: &ConnectError) -> bool {
    // Some servers without TLS just hang up on the request.
    matches!(
        error,
        ConnectError::Certificate { .. }
            | ConnectError::ClientRefused { .. }
            | ConnectError::Handshake { .. }
            | ConnectError::Lost { .. }
    )
}
