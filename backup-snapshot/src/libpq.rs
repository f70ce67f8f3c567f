//! The server that the session speaks to, in libpq's words, for `pg_dump`.

use std::path::Path;

use contract::{Class, Failure};
use settings::PostgresTarget;
use settings::target::{ChannelBinding, Host, RootCert, SslNegotiation, TlsVersion};
use snapshots::postgres::Server;

/// Where the usual systems keep the authorities that `sslrootcert=system` means; libpq knows that
/// word from version 16 on.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Of several hosts the one that answered, as `host:port`: another one is another database.
pub(crate) fn server(
    target: &PostgresTarget,
    answered: &str,
    application_name: &str,
) -> Result<Server, Failure> {
    let endpoint = target
        .endpoints
        .iter()
        .find(|endpoint| endpoint.to_string() == answered)
        .or(target
            .endpoints
            .first()
            .filter(|_| target.endpoints.len() == 1))
        .ok_or_else(|| {
            let message = format!("cannot tell which of the target's hosts {answered} is");
            Failure::new(Class::Error, message)
        })?;
    let mut parameters = Vec::new();
    let mut give = |name: &str, value: String| parameters.push((name.to_owned(), value));
    match &endpoint.host {
        Host::Tcp { name, address } => {
            give("host", name.clone());
            if let Some(address) = address {
                give("hostaddr", address.to_string());
            }
        }
        Host::Socket(dir) => give("host", dir.display().to_string()),
    }
    give("port", endpoint.port.to_string());
    give("user", target.user.clone());
    give("dbname", target.database.clone());
    give("application_name", application_name.to_owned());
    give("connect_timeout", "15".to_owned());
    give("sslmode", target.sslmode.to_string());
    match &target.sslrootcert {
        Some(RootCert::File(path)) => give("sslrootcert", path.display().to_string()),
        Some(RootCert::System) => {
            let bundle = SYSTEM_BUNDLES
                .into_iter()
                .find(|path| Path::new(path).is_file());
            give("sslrootcert", bundle.unwrap_or("system").to_owned());
        }
        None => {}
    }
    if let Some(own) = &target.client_cert {
        give("sslcert", own.cert.display().to_string());
        give("sslkey", own.key.display().to_string());
    }
    // What is libpq's default is left out: an old pg_dump does not know all of these.
    if target.tls_min == TlsVersion::V13 {
        give("ssl_min_protocol_version", "TLSv1.3".to_owned());
    }
    match target.channel_binding {
        ChannelBinding::Prefer => {}
        ChannelBinding::Disable => give("channel_binding", "disable".to_owned()),
        ChannelBinding::Require => give("channel_binding", "require".to_owned()),
    }
    if target.sslnegotiation == SslNegotiation::Direct {
        give("sslnegotiation", "direct".to_owned());
    }
    if let Some(options) = &target.options {
        give("options", options.clone());
    }
    let password = target.password_for(endpoint);
    Ok(Server {
        parameters,
        password: password.map(|password| password.expose().to_owned()),
    })
}
