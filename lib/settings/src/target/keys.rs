//! Every key that a target may have, and what becomes of it.

/// A key of libpq, or of a library that adds its own to the URL.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The variable that fills it where the target leaves it out.
    pub(super) variable: Option<&'static str>,
    pub(super) becomes: Becomes,
}

/// What becomes of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// A part of the target.
    Used,
    /// Nothing; why.
    Ignored(&'static str),
    /// An error, because ignoring it would weaken what was asked for; why.
    Refused(&'static str),
}

use Becomes::{Ignored, Refused, Used};

const fn used(name: &'static str, variable: &'static str) -> Key {
    Key {
        name,
        variable: Some(variable),
        becomes: Used,
    }
}

const fn plain(name: &'static str, becomes: Becomes) -> Key {
    Key {
        name,
        variable: None,
        becomes,
    }
}

const fn refused(name: &'static str, variable: &'static str, reason: &'static str) -> Key {
    Key {
        name,
        variable: Some(variable),
        becomes: Refused(reason),
    }
}

const SERVICE: &str = "service files are not read; write the settings out";
const OWN: &str = "Lockstep sets its own";
const POOL: &str = "it concerns an application's connection pool";
const PRISMA: &str = "it is Prisma's";
const CACHE: &str = "it concerns a driver's statement cache";
const GSS: &str = "Lockstep logs in by password, certificate or trust";
const REVOCATION: &str = "revocation lists are not read";
const OTHER_DRIVER: &str = "it is another driver's";

/// libpq's keys in the order of its manual (PostgreSQL 18, "Parameter Key Words" and "Environment
/// Variables"), then those of others.
pub(super) const POSTGRES: &[Key] = &[
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    used("dbname", "PGDATABASE"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    refused(
        "require_auth",
        "PGREQUIREAUTH",
        "the way of logging in can't be demanded; use sslmode=verify-full or channel_binding=require",
    ),
    used("channel_binding", "PGCHANNELBINDING"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    plain("client_encoding", Ignored("it is always UTF8")),
    used("options", "PGOPTIONS"),
    used("application_name", "PGAPPNAME"),
    plain("fallback_application_name", Ignored(OWN)),
    plain("keepalives", Ignored(OWN)),
    plain("keepalives_idle", Ignored(OWN)),
    plain("keepalives_interval", Ignored(OWN)),
    plain("keepalives_count", Ignored(OWN)),
    plain("keepalives_retries", Ignored(OWN)),
    plain("tcp_user_timeout", Ignored(OWN)),
    plain(
        "replication",
        Refused("a replication connection can't ask for rows"),
    ),
    used("gssencmode", "PGGSSENCMODE"),
    used("sslmode", "PGSSLMODE"),
    plain("requiressl", Refused("write sslmode=require")),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    plain("sslcompression", Ignored("TLS is never compressed")),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    plain(
        "sslkeylogfile",
        Refused("session keys are never written to a file"),
    ),
    plain(
        "sslpassword",
        Refused("encrypted keys are not read; give sslkey an unencrypted file of mode 0600"),
    ),
    used("sslcertmode", "PGSSLCERTMODE"),
    used("sslrootcert", "PGSSLROOTCERT"),
    refused("sslcrl", "PGSSLCRL", REVOCATION),
    refused("sslcrldir", "PGSSLCRLDIR", REVOCATION),
    plain("sslsni", Ignored("the server's name is always sent")),
    refused(
        "requirepeer",
        "PGREQUIREPEER",
        "the server's account can't be demanded; use a folder that only it can write as host",
    ),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    plain("min_protocol_version", Ignored(OWN)),
    plain("max_protocol_version", Ignored(OWN)),
    plain("krbsrvname", Ignored(GSS)),
    plain("gsslib", Ignored(GSS)),
    plain("gssdelegation", Ignored(GSS)),
    plain("scram_client_key", Refused("give the password instead")),
    plain("scram_server_key", Refused("give the password instead")),
    plain("oauth_issuer", Refused(GSS)),
    plain("oauth_client_id", Refused(GSS)),
    plain("oauth_client_secret", Refused(GSS)),
    plain("oauth_scope", Refused(GSS)),
    refused("service", "PGSERVICE", SERVICE),
    plain("servicefile", Refused(SERVICE)),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    plain(
        "load_balance_hosts",
        Ignored("hosts are tried in their order"),
    ),
    // Other drivers' name for sslmode, also for true and false.
    plain("ssl", Used),
    // Prisma (its "connection URLs" page). Its sslcert is a root certificate; that one is libpq's here.
    plain(
        "schema",
        Ignored("migrations run with [migrations] schema or the role's own search_path"),
    ),
    plain("connection_limit", Ignored(POOL)),
    plain("pool_timeout", Ignored(POOL)),
    plain(
        "pgbouncer",
        Ignored("whether a pooler answers is found out"),
    ),
    plain("statement_cache_size", Ignored(CACHE)),
    plain("socket_timeout", Ignored(OWN)),
    plain(
        "sslidentity",
        Refused("PKCS 12 files are not read; give sslcert and sslkey"),
    ),
    plain("sslaccept", Ignored("sslmode says what is verified")),
    plain("single_use_connections", Ignored(PRISMA)),
    // Poolers, asyncpg, psycopg, SQLAlchemy, Django, Rails, node-postgres, Npgsql, JDBC.
    plain("pool", Ignored(POOL)),
    plain("pool_size", Ignored(POOL)),
    plain("pool_mode", Ignored(POOL)),
    plain("pool_recycle", Ignored(POOL)),
    plain("pool_pre_ping", Ignored(POOL)),
    plain("max_overflow", Ignored(POOL)),
    plain("max_connections", Ignored(POOL)),
    plain("max_pool_size", Ignored(POOL)),
    plain("min_pool_size", Ignored(POOL)),
    plain("pool_max_conns", Ignored(POOL)),
    plain("pool_min_conns", Ignored(POOL)),
    plain("pool_max_conn_lifetime", Ignored(POOL)),
    plain("pool_max_conn_idle_time", Ignored(POOL)),
    plain("pool_health_check_period", Ignored(POOL)),
    plain("conn_max_age", Ignored(POOL)),
    plain("idle_timeout", Ignored(POOL)),
    plain("max_lifetime", Ignored(POOL)),
    plain("reaping_frequency", Ignored(POOL)),
    plain("checkout_timeout", Ignored(POOL)),
    plain(
        "workaround",
        Ignored("whether a pooler answers is found out"),
    ),
    plain("supa", Ignored("it is a pooler's")),
    plain("prepared_statements", Ignored(CACHE)),
    plain("prepareThreshold", Ignored(CACHE)),
    plain("prepared_statement_cache_size", Ignored(CACHE)),
    plain("statement-cache-capacity", Ignored(CACHE)),
    plain("statement_cache_capacity", Ignored(CACHE)),
    plain("default_query_exec_mode", Ignored(CACHE)),
    plain("prepared_statement_name_func", Ignored(CACHE)),
    plain("async_fallback", Ignored(OTHER_DRIVER)),
    plain("command_timeout", Ignored(OWN)),
    plain("timeout", Ignored(OWN)),
    plain("statement_timeout", Ignored(OWN)),
    plain("query_timeout", Ignored(OWN)),
    plain("encoding", Ignored("it is always UTF8")),
    plain("charset", Ignored("it is always UTF8")),
    plain(
        "uselibpqcompat",
        Ignored("sslmode is always read as libpq reads it"),
    ),
    plain("serverVersion", Ignored("the server is asked")),
];

/// What libraries write behind a SQLite path. Lockstep ignores all of them.
pub(super) const SQLITE: &[&str] = &[
    "mode",
    "cache",
    "immutable",
    "vfs",
    "psow",
    "nolock",
    "modeof",
    "uri",
    "timeout",
    "check_same_thread",
    "isolation_level",
    "detect_types",
    "cached_statements",
    "connection_limit",
    "socket_timeout",
    "pool",
    "pool_size",
    "pool_timeout",
    "max_connections",
    "journal_mode",
    "synchronous",
    "foreign_keys",
    "busy_timeout",
    "create_if_missing",
    "_auto_vacuum",
    "_vacuum",
    "_busy_timeout",
    "_timeout",
    "_case_sensitive_like",
    "_cslike",
    "_defer_foreign_keys",
    "_defer_fk",
    "_foreign_keys",
    "_fk",
    "_ignore_check_constraints",
    "_journal_mode",
    "_journal",
    "_loc",
    "_locking_mode",
    "_mutex",
    "_pragma",
    "_query_only",
    "_recursive_triggers",
    "_secure_delete",
    "_synchronous",
    "_sync",
    "_time_format",
    "_txlock",
    "_writable_schema",
    "_cache_size",
];
