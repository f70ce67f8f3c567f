//! What other drivers and engines write into a URL, and what is left of a password there.

use super::*;

#[test]
fn keys_of_other_tools_are_named_and_ignored() {
    let text = "postgres://u@h/d?schema=public&connection_limit=1&pgbouncer=true&sslaccept=strict\
                &sslmode=require&connect_timeout=0";
    let (target, warnings) = postgres_with(text, &ambient(&[]));
    let named: Vec<&str> = warnings
        .iter()
        .map(|warning| match warning {
            Warning::IgnoredKey { key, .. } => *key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        named,
        [
            "schema",
            "connection_limit",
            "pgbouncer",
            "sslaccept",
            "connect_timeout"
        ]
    );
    assert_eq!(target.sslmode, SslMode::Require);
    assert_eq!(target.connect_timeout, None);
    assert_eq!(
        refused("postgres://u@h/d?connect_timeout=3&sslmod=require"),
        TargetError::UnknownKey {
            position: 2,
            in_url: true,
            nearest: Some("sslmode")
        }
    );
}

#[test]
fn keys_of_other_drivers_are_named_whether_ignored_or_refused() {
    for (key, said) in [
        (
            "ssl-mode=require",
            "ssl-mode is not supported: write sslmode",
        ),
        (
            "ssl_require=true",
            "ssl_require is not supported: write sslmode=require",
        ),
        ("useSSL=false", "useSSL is not supported: write sslmode"),
        (
            "search_path=app",
            "search_path is not supported: it would decide where",
        ),
        (
            "currentSchema=app",
            "currentSchema is not supported: it would decide where",
        ),
        (
            "schema_search_path=app",
            "schema_search_path is not supported",
        ),
        (
            "options[search_path]=app",
            "options[…] is not supported: write options=-c",
        ),
        (
            "options%5Bsearch_path%5D=app",
            "options[…] is not supported",
        ),
        (
            "role=owner",
            "role is not supported: it would act as another role",
        ),
        (
            "targetServerType=primary",
            "targetServerType is not supported: write target_session",
        ),
        (
            "sslinline=true",
            "sslinline is not supported: write sslrootcert",
        ),
    ] {
        let error = refused(&format!("postgres://u@h/d?{key}")).to_string();
        assert!(error.starts_with(said), "{key}: {error}");
    }
    for key in [
        "ApplicationName",
        "reWriteBatchedInserts",
        "conn_health_checks",
        "max_size",
        "idleTimeoutMillis",
        "lock_timeout",
        "TimeZone",
        "binary_parameters",
        "adapter",
        "queue_target",
        "server_version",
        "maximumPoolSize",
        "characterEncoding",
        "description_cache_capacity",
        "topology_keys",
    ] {
        let (_, warnings) = postgres_with(&format!("postgres://u@h/d?{key}=1"), &ambient(&[]));
        let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(key), "{key}: {said:?}");
    }
}

#[test]
fn no_key_is_listed_twice() {
    let mut names: Vec<&str> = keys::POSTGRES.iter().map(|key| key.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn what_a_password_left_behind_leads_to_its_encoding() {
    for text in [
        "postgres://u:p?s3cr@h/d",
        "postgres://u:p?s3cr&x=y@h/d",
        "postgres://u:p?s3cr=y&z@h/d",
        "postgres://u:p?s3cr&sslmode=require",
        "postgres://u@h/d?password=p&s3cr",
        "postgres://u@h/d?password=p&s3cr=y",
        "postgres://u:p&s3cr?x@h/d",
        "postgres://u:p/s3cr@h/d",
    ] {
        let error = refused(text).to_string();
        assert!(
            error.contains("%3F for ?") && error.contains("%26 for &"),
            "{text}: {error}"
        );
        assert!(!error.contains("s3cr"), "{error}");
    }
    let error = refused("postgres://u:100%s3cr@h/d").to_string();
    assert!(error.contains("%25"), "{error}");
    let (plain, _) = postgres_with("postgres://u:a&b=c@h/d", &ambient(&[]));
    assert_eq!(plain.password.as_ref().map(Secret::expose), Some("a&b=c"));
}

#[test]
fn another_engines_scheme_is_named_with_what_is_supported() {
    for (text, said) in [
        ("mysql://u:s3cr@h/d", "MySQL is not supported"),
        ("mysql2+aiomysql://u:s3cr@h/d", "MySQL is not supported"),
        ("mariadb://u:s3cr@h/d", "MariaDB is not supported"),
        ("sqlserver://h;password=s3cr", "SQL Server is not supported"),
        ("mongodb+srv://u:s3cr@h/d", "MongoDB is not supported"),
        ("redis://:s3cr@h", "Redis is not supported"),
        (
            "prisma+postgres://h/?api_key=s3cr",
            "Prisma's proxy is not supported",
        ),
        (
            "jdbc:postgresql://h/d?password=s3cr",
            "this notation is not supported",
        ),
        ("psql://u:s3cr@h/d", "this scheme is not supported"),
        ("MySQL://u:s3cr@h/d", "MySQL is not supported"),
    ] {
        let error = refused(text).to_string();
        assert!(error.starts_with(said), "{text}: {error}");
        assert!(error.contains("SQLite's or PostgreSQL's"), "{error}");
        assert!(!error.contains("s3cr"), "{error}");
    }
    assert!(
        refused("psql://h/d")
            .to_string()
            .contains("write postgres://")
    );
}
