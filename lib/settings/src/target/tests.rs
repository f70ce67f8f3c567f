//! What texts mean, and that none of them shows a password.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

mod others;

fn ambient(variables: &[(&str, &str)]) -> Ambient {
    Ambient {
        variables: variables.iter().copied().collect(),
        account: Account {
            name: Some("me".to_owned()),
            home: None,
        },
        socket_dirs: Vec::new(),
    }
}

#[track_caller]
fn postgres_with(text: &str, ambient: &Ambient) -> (PostgresTarget, Vec<Warning>) {
    match Target::parse_with(text, Path::new("/base"), ambient) {
        Ok((Target::Postgres(target), warnings)) => (target, warnings),
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn postgres(text: &str) -> PostgresTarget {
    postgres_with(text, &ambient(&[])).0
}

#[track_caller]
fn refused(text: &str) -> TargetError {
    match Target::parse_with(text, Path::new("/base"), &ambient(&[])) {
        Err(error) => error,
        Ok(target) => panic!("{text}: {target:?}"),
    }
}

/// Creates empty files under a folder and reads `text` relative to it.
fn sqlite_among(files: &[&str], text: &str) -> Result<String, TargetError> {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    match Target::parse(text, dir.path())?.0 {
        Target::Sqlite(target) => {
            let path = target.path.strip_prefix(dir.path()).unwrap_or(&target.path);
            // Equal but for the `.` components.
            let path: PathBuf = path.components().collect();
            Ok(path.display().to_string())
        }
        Target::Postgres(_) => panic!("{text} is no SQLite target"),
    }
}

#[test]
fn one_database_has_many_notations() {
    let expected = "postgres://u@h:5432/d";
    for text in [
        "postgres://u:pw@h/d",
        "postgresql://u:pw@h:5432/d",
        "POSTGRESQL://u:pw@h/d",
        "postgresql+asyncpg://u:pw@h/d",
        "postgresql+psycopg2://u:pw@h/d",
        "postgres+psycopg://u:pw@h/d",
        " postgres://u:pw@h/d\n",
        "postgres://%75:%70w@%68/%64",
        "postgres://u:pw@/d?host=h",
        "postgres://u:pw@h/?dbname=d",
        "postgres://h/d?user=u&password=pw",
        "postgres://u:pw@elsewhere/d?host=h",
        "host=h user=u password=pw dbname=d",
        "  host = h   user= u password ='pw' dbname='d' port=5432",
        "host='h' user=u password=p\\w dbname=\\d",
    ] {
        let target = postgres(text);
        assert_eq!(target.to_string(), expected, "{text}");
        assert_eq!(
            target.password.as_ref().map(Secret::expose),
            Some("pw"),
            "{text}"
        );
    }
}

#[test]
fn a_password_keeps_every_character() {
    let cases = [
        (
            "postgres://u:p%40ss%3Aw%2Frd%20%2541%C3%A9@h/d",
            "p@ss:w/rd %41é",
        ),
        ("postgres://u:a:b#c@h/d", "a:b#c"),
        ("postgres://u:a+b&c=d@h/d", "a+b&c=d"),
        ("postgres://h/d?user=u&password=p@ss", "p@ss"),
        (
            "host=h user=u dbname=d password='it\\'s \\\\ a = b'",
            "it's \\ a = b",
        ),
        ("host=h user=u dbname=d password=a%20b", "a%20b"),
    ];
    for (text, expected) in cases {
        let password = postgres(text).password;
        assert_eq!(
            password.as_ref().map(Secret::expose),
            Some(expected),
            "{text}"
        );
    }
}

#[test]
fn nothing_shows_a_password() {
    let target = postgres("postgres://u:hunter%402@h/d?sslmode=require");
    let everywhere = Target::Postgres(target);
    let description = format!("{:?}", everywhere.describe());
    let identity = everywhere.identity_hint();
    for shown in [
        format!("{everywhere:?}"),
        everywhere.to_string(),
        description,
        identity,
    ] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    let masked = contract::secret::redact("login with hunter@2 or hunter%402 failed");
    assert!(!masked.contains("hunter"), "{masked}");
}

#[test]
fn no_error_shows_any_part_of_the_text() {
    for text in [
        "postgres://u:hunter2@ss@h/d",
        "postgres://u:12/hunter2@h/d",
        "postgres://u:12?hunter2@h/d",
        "postgres://u:12?x=hunter2@h/d",
        "postgres://u:hunter2/x@h/d",
        "postgres://u:hunter2?y@h/d",
        "postgres://u:hunter2%zz@h/d",
        "postgres://u:hunter2%ff@h/d",
        "postgres://u:hunter2%00@h/d",
        "postgres://u:hunter2",
        "postgres://u%3Ahunter2@h/d",
        "postgres://u:p@h/d?hunter2",
        "postgres://u:p@h/d?hunter2=x",
        "postgres://u:p@h/d?sslmode=hunter2",
        "postgres://u:p@h:hunter2/d",
        "postgres://[hunter2/d",
        "postgres://hunter2:1:2/d",
        "postgres:u:hunter2@h/d",
        "postgres://u@h/d?sslpassword=hunter2",
        "postgres://h/postgres:%2F%2Fu:hunter2%40h",
        "postgres://u@h%40hunter2/d",
        "host=h password='hunter2",
        "host=h password=hunter2\\",
        "host=h password=p hunter2 user=u",
        "host=h pasword=hunter2",
        "host=u:hunter2@h",
        "host=h dbname=postgres://u:hunter2@h/d",
        "mysql://u:hunter2@h/d",
        "hunter2",
        "sqlite:app.db?key=hunter2",
        "sqlite:app.db?hunter2=1",
        "sqlite+hunter2:",
        "file://hunter2/app.db",
    ] {
        let error = refused(text);
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}

#[test]
fn hosts_and_ports_pair_up() {
    for (text, expected) in [
        ("postgres://u@a,b:6432/d", "a:5432,b:6432/d"),
        ("postgres://u@a:1,b:2/d", "a:1,b:2/d"),
        (
            "postgres://u@[::1]:6432,[fe80::1]/d",
            "[::1]:6432,[fe80::1]:5432/d",
        ),
        ("host=a,b port=6432 user=u dbname=d", "a:6432,b:6432/d"),
        ("host=a,b port=,6432 user=u dbname=d", "a:5432,b:6432/d"),
        (
            "host=db.EXAMPLE.com hostaddr=10.0.0.1 user=u dbname=d",
            "db.example.com(10.0.0.1):5432/d",
        ),
        ("hostaddr=10.0.0.1 user=u dbname=d", "10.0.0.1:5432/d"),
        ("postgres:///d?host=/run/pg", "/run/pg:5432/d"),
        ("postgres://u:p@%2Frun%2Fpg/d", "/run/pg:5432/d"),
        (
            "postgres://u:p@localhost/d?host=/cloudsql/a:b:c",
            "/cloudsql/a:b:c:5432/d",
        ),
        ("postgres://", "localhost:5432/me"),
        ("postgres://u@/", "localhost:5432/u"),
        ("dbname=d", "localhost:5432/d"),
    ] {
        assert_eq!(postgres(text).identity_hint(), expected, "{text}");
    }
    for text in [
        "host=a,b port=1,2,3",
        "host=a,b hostaddr=10.0.0.1",
        "postgres://::1/d",
        "postgres://h:0/d",
        "postgres://h:65536/d",
        "host=@abstract",
        "hostaddr=name",
    ] {
        refused(text);
    }
}

#[test]
fn what_is_shown_is_a_target_again() {
    for text in [
        "postgres://u%40corp@a:1,[::1]:2/odd%2Fname",
        "postgres:///d?host=/run/pg&user=u",
        "sqlite:a%20b.db",
    ] {
        let read = |text: &str| {
            Target::parse_with(text, Path::new(""), &ambient(&[]))
                .unwrap()
                .0
        };
        let target = read(text);
        assert_eq!(read(&target.to_string()), target, "{text}");
    }
}

#[test]
fn tls_is_what_libpq_would_make_of_it() {
    let file = |path: &str| Some(RootCert::File(PathBuf::from(path)));
    for (query, mode, root, verification) in [
        ("", SslMode::Prefer, None, Verification::None),
        (
            "sslmode=disable",
            SslMode::Disable,
            None,
            Verification::None,
        ),
        (
            "sslmode=require",
            SslMode::Require,
            None,
            Verification::None,
        ),
        ("ssl=true", SslMode::Require, None, Verification::None),
        (
            "ssl=verify-full",
            SslMode::VerifyFull,
            None,
            Verification::Full,
        ),
        (
            "sslmode=require&sslrootcert=ca.pem",
            SslMode::Require,
            file("/base/ca.pem"),
            Verification::Ca,
        ),
        (
            "sslmode=verify-ca&sslrootcert=/ca.pem",
            SslMode::VerifyCa,
            file("/ca.pem"),
            Verification::Ca,
        ),
        (
            "sslrootcert=system",
            SslMode::VerifyFull,
            Some(RootCert::System),
            Verification::Full,
        ),
    ] {
        let target = postgres(&format!("postgres://u@h/d?{query}"));
        assert_eq!(target.sslmode, mode, "{query}");
        assert_eq!(target.sslrootcert, root, "{query}");
        assert_eq!(target.verification(), verification, "{query}");
    }
    for query in [
        "sslmode=Require",
        "sslmode=verify-ca",
        "sslmode=require&sslrootcert=system",
        "sslcert=only.pem",
        "sslnegotiation=direct",
        "ssl_max_protocol_version=TLSv1.2",
        "sslcrl=x",
        "requirepeer=postgres",
        "require_auth=scram-sha-256",
        "gssencmode=require",
        "sslmode=require&sslmode=disable",
        "service=prod",
    ] {
        refused(&format!("postgres://u@h/d?{query}"));
    }
}

#[test]
fn libpqs_variables_fill_what_is_left_out() {
    let ambient = ambient(&[
        ("PGHOST", "from-env"),
        ("PGHOSTADDR", "10.9.9.9"),
        ("PGPORT", "6432"),
        ("PGUSER", "env_user"),
        ("PGDATABASE", "env_db"),
        ("PGPASSWORD", "env pw"),
        ("PGSSLMODE", "require"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGAPPNAME", ""),
    ]);
    let (filled, _) = postgres_with("postgres://", &ambient);
    assert_eq!(filled.identity_hint(), "from-env(10.9.9.9):6432/env_db");
    assert_eq!(filled.user, "env_user");
    assert_eq!(filled.password.as_ref().map(Secret::expose), Some("env pw"));
    assert_eq!(filled.sslmode, SslMode::Require);
    assert_eq!(
        filled.connect_timeout,
        Some(std::time::Duration::from_secs(7))
    );
    assert_eq!(filled.application_name, None);

    let (given, _) = postgres_with("postgres://u:p@h:1/d?sslmode=disable", &ambient);
    assert_eq!(
        given.identity_hint(),
        "h:1/d",
        "PGHOSTADDR must not move a named host"
    );
    assert_eq!(given.password.as_ref().map(Secret::expose), Some("p"));
    assert_eq!(given.sslmode, SslMode::Disable);
}

#[test]
fn a_variable_that_cannot_be_honoured_is_an_error() {
    for (name, value) in [
        ("PGSERVICE", "prod"),
        ("PGREQUIREAUTH", "scram-sha-256"),
        ("PGSSLMODE", "sure"),
        ("PGDATABASE", "postgres://u:hunter2@h/d"),
        ("PGHOST", "u:hunter2@h"),
    ] {
        let result = Target::parse_with("postgres://", Path::new(""), &ambient(&[(name, value)]));
        let error = result.expect_err(name).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_password_file_fills_each_hosts_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(".pgpass");
    std::fs::write(&path, "a:5432:d:u:for a\nlocalhost:*:*:*:for socket\n").unwrap();
    let mut ambient = ambient(&[]);
    ambient.account.home = Some(dir.path().to_owned());
    ambient.socket_dirs = vec![PathBuf::from("/run/pg")];
    let passwords = |text: &str, ambient: &Ambient| {
        let (target, warnings) = postgres_with(text, ambient);
        let passwords: Vec<Option<String>> = target
            .endpoints
            .iter()
            .map(|endpoint| {
                target
                    .password_for(endpoint)
                    .map(|pw| pw.expose().to_owned())
            })
            .collect();
        (passwords, warnings.len())
    };
    let two_hosts = "postgres://u@a,b/d";
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(passwords(two_hosts, &ambient), (vec![None, None], 1));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        passwords(two_hosts, &ambient),
        (vec![some("for a"), None], 0)
    );
    let socket = "postgres:///d?host=/run/pg";
    assert_eq!(passwords(socket, &ambient), (vec![some("for socket")], 0));
    assert_eq!(
        passwords("postgres://u:own@a/d", &ambient),
        (vec![some("own")], 0)
    );
    let compared = Target::parse_to_compare(two_hosts, Path::new(""), &ambient).unwrap();
    let read = Target::parse_with(two_hosts, Path::new(""), &ambient).unwrap();
    assert!(compared.same_database(&read.0));
    assert_ne!(compared, read.0, "the password file was opened");
    let missing = "postgres://u@a/d?passfile=/nowhere/pgpass";
    assert_eq!(passwords(missing, &ambient), (vec![None], 1));
}

#[test]
fn a_socket_that_is_there_is_the_default_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut ambient = ambient(&[]);
    ambient.socket_dirs = vec![PathBuf::from("/nowhere"), dir.path().to_owned()];
    assert_eq!(
        postgres_with("dbname=d", &ambient).0.identity_hint(),
        "localhost:5432/d"
    );
    std::fs::write(dir.path().join(".s.PGSQL.5432"), "").unwrap();
    let (target, _) = postgres_with("dbname=d", &ambient);
    assert_eq!(
        target.endpoints[0].host,
        Host::Socket(dir.path().to_owned())
    );
}

#[test]
fn sqlite_forms_mean_the_file_that_is_there() {
    for (files, text, expected) in [
        (&["app.db"][..], "sqlite:app.db", "app.db"),
        (&["app.db"], "sqlite:./app.db", "app.db"),
        (&["app.db"], "sqlite3:app.db", "app.db"),
        (&["app.db"], "SQLite:app.db", "app.db"),
        (&["app.db"], "sqlite://app.db", "app.db"),
        (&["app.db"], "sqlite:///app.db", "app.db"),
        (&["app.db"], "sqlite+aiosqlite:///app.db", "app.db"),
        (
            &["app.db"],
            "sqlite:///file:app.db?mode=ro&uri=true",
            "app.db",
        ),
        (&["app.db"], "file:app.db?mode=rw#x", "app.db"),
        (&["app.db"], "file:./app.db", "app.db"),
        (&["instance/app.db"], "sqlite:///app.db", "instance/app.db"),
        (&["prisma/dev.db"], "file:./dev.db", "prisma/dev.db"),
        (&["a b.db"], "sqlite:a%20b.db", "a b.db"),
        (&["a%20b.db"], "sqlite:a%20b.db", "a%20b.db"),
        (&["a b.db"], "file:a%20b.db", "a b.db"),
        (&[], "sqlite:///app.db", "app.db"),
        (&[], "sqlite:////nowhere/app.db", "/nowhere/app.db"),
        (&[], "sqlite:/nowhere/app.db", "/nowhere/app.db"),
        (&[], "file:///nowhere/app.db", "/nowhere/app.db"),
        (&[], "file://localhost/nowhere/app.db", "/nowhere/app.db"),
        (&[], "sqlite:dir/app.db", "dir/app.db"),
    ] {
        let found = sqlite_among(files, text);
        assert_eq!(found.as_deref(), Ok(expected), "{files:?} {text}");
    }
}

#[test]
fn an_absolute_file_is_found_by_three_slashes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    std::fs::write(&path, "").unwrap();
    let text = format!("sqlite://{}", path.display());
    assert_eq!(sqlite_among(&[], &text), Ok(path.display().to_string()));
}

#[test]
fn two_existing_files_are_never_chosen_between() {
    for (files, text) in [
        (["app.db", "instance/app.db"], "sqlite:///app.db"),
        (["dev.db", "prisma/dev.db"], "file:dev.db"),
        (["a b.db", "a%20b.db"], "sqlite:a%20b.db"),
    ] {
        let error = sqlite_among(&files, text).unwrap_err();
        assert!(
            matches!(error, TargetError::AmbiguousPath(_)),
            "{text}: {error}"
        );
    }
    // The advice has to work.
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join(dir.path().strip_prefix("/").unwrap());
    std::fs::create_dir_all(&here).unwrap();
    for file in [dir.path().join("app.db"), here.join("app.db")] {
        std::fs::write(file, "").unwrap();
    }
    let text = format!("sqlite://{}/app.db", dir.path().display());
    let error = Target::parse(&text, dir.path()).unwrap_err();
    let TargetError::AmbiguousPath(paths) = &error else {
        panic!("{error}");
    };
    assert_eq!(paths.len(), 2);
    for path in paths {
        let advised = format!("sqlite:{}", path.display());
        assert!(error.to_string().contains(&advised), "{error}");
        assert!(Target::parse(&advised, dir.path()).is_ok());
    }
}

#[test]
fn one_file_by_two_ways_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.db"), "").unwrap();
    std::fs::create_dir(dir.path().join("instance")).unwrap();
    std::os::unix::fs::symlink("../app.db", dir.path().join("instance/app.db")).unwrap();
    assert!(Target::parse("sqlite:///app.db", dir.path()).is_ok());
}

#[test]
fn what_is_no_file_is_refused() {
    for text in [
        ":memory:",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:///:memory:",
        "file::memory:?cache=shared",
        "file:x?mode=memory",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "file:",
        "",
        " ",
        "app.db",
    ] {
        refused(text);
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.db"), "").unwrap();
    let error = Target::parse("app.db", dir.path()).unwrap_err().to_string();
    let advised = format!("write sqlite:{}/app.db", dir.path().display());
    assert!(error.contains(&advised), "{error}");
}

#[test]
fn the_same_database_is_known_by_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.db"), "").unwrap();
    std::os::unix::fs::symlink("app.db", dir.path().join("link.db")).unwrap();
    for (one, two, same) in [
        ("postgres://u:p@H/d", "host=h user=other dbname=d", true),
        ("postgres://u@h/d", "postgres://u@h:6432/d", false),
        ("postgres://u@h/d", "postgres://u@h/e", false),
        ("sqlite:app.db", "sqlite:///app.db", true),
        ("sqlite:app.db", "sqlite:link.db", true),
        ("sqlite:new.db", "sqlite:./new.db", true),
        ("sqlite:app.db", "sqlite:other.db", false),
        ("sqlite:app.db", "postgres://h/app.db", false),
    ] {
        let read = |text: &str| Target::parse(text, dir.path()).unwrap().0;
        assert_eq!(read(one).same_database(&read(two)), same, "{one} {two}");
    }
}

#[test]
fn a_password_is_seen_before_anything_is_completed() {
    for (text, expected) in [
        ("postgres://u:p@h/d", true),
        ("postgres://u:@h/d", false),
        ("postgres://u@h/d?password=p", true),
        ("host=h password=p", true),
        ("host=h", false),
        ("sqlite:app.db", false),
    ] {
        assert_eq!(has_password(text), Ok(expected), "{text}");
    }
}

#[test]
fn two_keys_that_disagree_on_tls_are_no_choice() {
    for query in ["sslmode=disable&ssl=true", "sslmode=require&ssl=false"] {
        let said = refused(&format!("postgres://u@h/d?{query}")).to_string();
        assert!(said.contains("say different things"), "{query}: {said}");
    }
}

#[test]
fn a_database_url_is_well_formed_where_it_can_be_read() {
    for text in [
        "postgres://hashy:k9#Zq7wLmT2@127.0.0.1:6101/postgres",
        "postgres://u:p%zz@127.0.0.1:6101/db",
        "postgres://u:p@ss/w#rd@h/db",
        "PostgreSQL+asyncpg://u:p@h,[::1]:6432/d?sslmode=require",
        "postgres://",
        "postgres:u@h/d",
        "postgres://::1/d",
        "postgres://u@h:x/d",
        "postgres://u@h/d?sslmode=sure",
        "postgres://u@h/d?sslmode=verify-ca",
        "postgres://u@h/d?passfile=/nowhere",
        "sqlite:app.db",
        "sqlite3:///app.db?mode=memory",
        "sqlite:",
        " postgres://u@h/d\n",
    ] {
        for variables in [
            &[][..],
            &[("PGSSLROOTCERT", "/ca.pem")],
            &[("PGSERVICE", "x")],
        ] {
            let ambient = ambient(variables);
            let read = Target::parse_with(text, Path::new("/nowhere"), &ambient);
            let checked = check_url(text, &ambient);
            assert_eq!(checked, Some(read.map(|_| ())), "{text} {variables:?}");
        }
    }
    for text in [
        "jdbc:postgresql://h/db",
        "https://u:p@ss@h/",
        "file:app.db",
        "host=h user=u",
        "",
    ] {
        assert_eq!(check_url(text, &ambient(&[])), None, "{text}");
    }
}

#[test]
fn a_url_is_checked_whichever_files_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let relative = dir.path().strip_prefix("/").unwrap();
    let here = dir.path().join(relative);
    std::fs::create_dir_all(&here).unwrap();
    for file in [dir.path().join("app.db"), here.join("app.db")] {
        std::fs::write(file, "").unwrap();
    }
    let text = format!("sqlite://{}/app.db", dir.path().display());
    assert!(Target::parse(&text, dir.path()).is_err());
    assert_eq!(check_url(&text, &ambient(&[])), Some(Ok(())));
}
