//! Who is connected to a database beside oneself.

use postgres::GenericClient;

/// Roles that hosted platforms keep connected to every database of theirs: Amazon RDS and Aurora,
/// Google Cloud SQL and AlloyDB, Azure, Supabase, Neon, Heroku, Crunchy Bridge, Aiven, DigitalOcean,
/// Render. None of them is an application's, and none a name that a person would be given.
const PLATFORM_ROLES: [&str; 31] = [
    "_aiven",
    "_crunchy_superuser",
    "_dodb",
    "alloydbadmin",
    "alloydbagent",
    "alloydbmetadata",
    "authenticator",
    "azure_superuser",
    "azuresu",
    "ccp_monitoring",
    "cloud_admin",
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlimportexport",
    "cloudsqlreplica",
    "crunchy_superuser",
    "heroku_admin",
    "heroku_monitoring",
    "neon_superuser",
    "neon_service",
    "pgbouncer",
    "postgrest",
    "rdsadmin",
    "rdsproxyadmin",
    "rdsrepladmin",
    "rdswriteforwarduser",
    "render_monitoring",
    "supabase_admin",
    "supabase_auth_admin",
    "supabase_replication_admin",
    "supabase_storage_admin",
];

/// A client's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) application: String,
    pub(super) role: String,
    /// The client's address; nothing through a socket, or where this role may not see it.
    pub(super) address: Option<String>,
    pub(super) pid: i32,
}

/// Those of `others` that are neither this role's from this address nor a platform's own, in words.
pub(super) fn strangers(own: &Client, others: &[Client]) -> Vec<String> {
    others
        .iter()
        .filter(|other| {
            (&other.role, &other.address) != (&own.role, &own.address)
                && !PLATFORM_ROLES.contains(&other.role.as_str())
        })
        .map(|other| {
            format!(
                "{} as {} (process {})",
                other.application, other.role, other.pid
            )
        })
        .collect()
}

/// This session, and those of other clients on this database. Background workers are no clients.
pub(super) fn clients<C: GenericClient>(
    client: &mut C,
) -> Result<(Option<Client>, Vec<Client>), postgres::Error> {
    // What another role's session is, only some may see; that it is there, everybody.
    let rows = client.query_typed(
        "SELECT coalesce(nullif(application_name, ''), 'a session'), usename::pg_catalog.text, \
            client_addr::pg_catalog.text, pid, pid = pg_catalog.pg_backend_pid() \
         FROM pg_catalog.pg_stat_activity \
         WHERE datname = pg_catalog.current_database() \
         AND coalesce(backend_type, 'client backend') = 'client backend' \
         AND usename IS NOT NULL \
         ORDER BY pid",
        &[],
    )?;
    let of = |row: &postgres::Row| Client {
        application: row.get(0),
        role: row.get(1),
        address: row.get(2),
        pid: row.get(3),
    };
    let (own, others): (Vec<&postgres::Row>, Vec<_>) =
        rows.iter().partition(|row| row.get::<_, bool>(4));
    Ok((
        own.first().map(|row| of(row)),
        others.into_iter().map(of).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_other_roles_and_other_addresses_but_no_platforms() {
        let of = |role: &str, address: Option<&str>| Client {
            application: "x".into(),
            role: role.into(),
            address: address.map(str::to_owned),
            pid: 7,
        };
        let me = of("app", Some("10.0.0.1"));
        for (other, stranger) in [
            (of("app", Some("10.0.0.1")), false),
            (of("app", Some("10.0.0.2")), true),
            (of("app", None), true),
            (of("reporting", Some("10.0.0.1")), true),
            (of("reporting", None), true),
            (of("rdsadmin", None), false),
            (of("supabase_admin", Some("10.0.0.9")), false),
            (of("authenticator", Some("10.0.0.9")), false),
            (of("postgres", None), true),
        ] {
            let found = strangers(&me, std::slice::from_ref(&other));
            assert_eq!(!found.is_empty(), stranger, "{other:?}");
        }
        assert_eq!(strangers(&me, &[of("app", None)]), ["x as app (process 7)"]);
    }
}
