//! What the file may say, and what is said of one that can't be used.

use super::*;

#[track_caller]
fn parse(text: &str) -> Settings {
    match Settings::parse(text.as_bytes()) {
        Ok(settings) => settings,
        Err(fault) => panic!("{fault}"),
    }
}

#[track_caller]
fn fault(text: &str) -> String {
    match Settings::parse(text.as_bytes()) {
        Ok(settings) => panic!("{settings:?}"),
        Err(fault) => fault.to_string(),
    }
}

const WHOLE: &str = r#"
[environment]
variable = "NODE_ENV"

[environments.production]
database = { env = "DATABASE_URL" }

[environments.dev]
database = "sqlite:instance_dev/app.db"
protected = false

[environments.production.require]
GITHUB_REF = "refs/heads/main"

[env.DATABASE_URL]
kind = "url"
schemes = ["postgres", "sqlite"]

[env.SECRET_KEY]
kind = "secret"
min_length = 32
environments = ["production"]
must_differ_from = "SESSION_KEY"
for = ["verify-env", "deploy-db"]

[env.SMTP_HOST]
required_if = { MAIL = "smtp" }

[env.WORKERS]
kind = "integer"
min = 1
max = 64
required_if = "QUEUE"

[env.DEBUG]
forbidden = true

[migrations]
dir = "db/migrations"
layout = "flyway"
ledger = "shop.migrations"
schema = "shop"

[backup]
dir = "/var/backups/app"
max_age = "1h"
files = ["lockstep.toml", "config/app.toml"]
publish = ["aws", "s3", "cp", "--recursive", "{snapshot}", "s3://bucket/"]
pg_dump = ["docker", "exec", "db", "pg_dump"]

[schema]
expected = "schema.toml"
schemas = ["public", "shop"]
ignore = ["tmp_*"]

[scratch]
server = { env = "SCRATCH_URL" }
same_server = true

[connection]
min_version = "15.4"
tls = true
primary = true

[sqlite]
file_system = "shared"
lock_dir = "/run/app"

[[accept]]
check = "adoption-proven"
target = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"
digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
because = "version 7 by the notes of the release"
"#;

#[test]
fn the_whole_file_is_read() {
    let settings = parse(WHOLE);
    assert_eq!(settings.environment.variable.as_deref(), Some("NODE_ENV"));
    let production = &settings.environments["production"];
    assert!(
        production.protected,
        "protected unless the file says otherwise"
    );
    assert_eq!(
        production.database,
        Some(DatabaseSource::Variable("DATABASE_URL".to_owned()))
    );
    assert_eq!(
        production.require["GITHUB_REF"],
        Required::Value("refs/heads/main".to_owned())
    );
    let dev = &settings.environments["dev"];
    assert!(!dev.protected);
    assert_eq!(
        dev.database,
        Some(DatabaseSource::Text(
            "sqlite:instance_dev/app.db".to_owned()
        ))
    );
    assert_eq!(settings.env["DATABASE_URL"].kind, VariableKind::Url);
    assert_eq!(
        settings.env["WORKERS"].required_if,
        Some(Condition::Set("QUEUE".to_owned()))
    );
    assert!(matches!(
        settings.env["SMTP_HOST"].required_if,
        Some(Condition::Equal(_))
    ));
    assert_eq!(settings.backup.max_age, Some(Duration::from_secs(3600)));
    assert_eq!(settings.schema.schemas, ["public", "shop"]);
    assert_eq!(settings.sqlite.file_system, FileSystem::Shared);
    assert_eq!(
        settings.sqlite.lock_dir.as_deref(),
        Some(Path::new("/run/app"))
    );
    assert_eq!(settings.connection.min_version, Some(Version([15, 4, 0])));
}

#[test]
fn an_empty_file_is_all_defaults() {
    assert_eq!(parse(""), Settings::default());
    let settings = Settings::default();
    assert_eq!(settings.migrations.dir, Path::new("migrations"));
    assert_eq!(settings.schema.schemas, ["public"]);
    assert!(parse("[environments.x]").environments["x"].protected);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in [
        (
            "\n[environments.dev]\ndatabse = \"sqlite:app.db\"\n",
            "line 3, column 1: unknown key \"databse\" in [environments.dev]; \
             did you mean \"database\"?",
        ),
        (
            "[environments]\ndev = { databse = \"sqlite:app.db\" }\n",
            "line 2, column 9: unknown key \"databse\" in [environments.dev]; \
             did you mean \"database\"?",
        ),
        (
            "[migrationz]\ndir = \"x\"",
            "line 1, column 2: unknown key \"migrationz\"; did you mean \"migrations\"?",
        ),
        (
            "[environment]\ncolour = 1",
            "line 2, column 1: unknown key \"colour\" in [environment]; known are variable",
        ),
        (
            "[environments.dev.database]\nenv = \"X\"\nurl = \"y\"",
            "line 3, column 1: unknown key \"url\" in [environments.dev.database]; known are env",
        ),
        (
            "[environments.dev]\nprotected = \"no\"",
            "line 2, column 13: protected in [environments.dev] must be a boolean, and is a string",
        ),
        (
            "[migrations]\ndir = 3",
            "line 2, column 7: dir in [migrations] must be a string, and is an integer",
        ),
        (
            "[backup]\nfiles = \"x\"",
            "line 2, column 9: files in [backup] must be an array, and is a string",
        ),
        (
            "migrations = 1",
            "line 1, column 14: migrations must be a table, and is an integer",
        ),
        (
            "[environments.dev]\ndatabase = 1",
            "line 2, column 12: database in [environments.dev] must be a target, \
             or { env = \"NAME\" }, and is an integer",
        ),
        (
            "[environments.dev]\ndatabase = {}",
            "line 2, column 12: env is missing in [environments.dev.database]",
        ),
        (
            "[env.X]\nmin_length = -1",
            "line 2, column 14: min_length in [env.X] must be an integer that is not negative, \
             and is an integer",
        ),
        (
            "[env.X]\nkind = \"secrt\"",
            "line 2, column 8: unknown kind in [env.X]: \"secrt\"; did you mean \"secret\"?",
        ),
        (
            "[env.X]\nkind = \"hunter2\"",
            "line 2, column 8: kind in [env.X] must be one of string, secret, url, integer, port, \
             boolean, email, path",
        ),
        (
            "[backup]\nmax_age = \"0s\"",
            "line 2, column 11: max_age in [backup]: zero would mean no limit; write how long",
        ),
        (
            "[backup]\nmax_age = \"soon\"",
            "line 2, column 11: max_age in [backup]: a length of time is a whole number and \
             ms, s, m, h or d, as in 30s",
        ),
        (
            "[backup]\nmax_age = 3600",
            "line 2, column 11: max_age in [backup]: a length of time is a whole number and \
             ms, s, m, h or d; write 3600s",
        ),
        (
            "[connection]\nmin_version = \"new\"",
            "line 2, column 15: min_version in [connection]: a version is up to three numbers, \
             as in \"15.4\"",
        ),
        (
            "[migrations]\ndir = \"a\"\ndir = \"b\"",
            "line 3, column 1: duplicate key",
        ),
        (
            "[migrations",
            "line 1, column 12: unclosed table, expected `]`",
        ),
        (
            "a = é",
            "line 1, column 5: string values must be quoted, expected literal string",
        ),
    ] {
        assert_eq!(fault(text), expected);
    }
}

#[test]
fn what_an_environment_demands_is_read_and_must_make_sense() {
    let settings = parse(
        "[environments.live]\nruns_in = \"release\"\n\
         endpoints = [\"db.internal:5432\", \"localhost:6543\", \"/data/app.db\"]\n\
         [environments.live.require]\nFLY_APP_NAME = \"shop\"\nFLY_MACHINE_ID = true\n",
    );
    let terms = settings.environments["live"].terms();
    assert_eq!(terms.runs_in, RunsIn::Release);
    assert_eq!(terms.require["FLY_MACHINE_ID"], Required::Present);
    assert_eq!(
        terms.in_words(),
        "runs_in release, FLY_APP_NAME shop, FLY_MACHINE_ID set, endpoints db.internal:5432 and \
         localhost:6543 and /data/app.db"
    );
    for (text, expected) in [
        (
            "[environments.live]\nruns_in = \"relase\"",
            "line 2, column 11: unknown runs_in in [environments.live]: \"relase\"; did you mean \
             \"release\"?",
        ),
        (
            "[environments.live.require]\nX = false",
            "write true for a variable that has to be set, or leave it out",
        ),
        (
            "[environments.live.require]\nX = \"\"",
            "no variable can be required to be empty; write true for any value",
        ),
        (
            "[environments.live.require]\nX = 1",
            "must be the value that the variable has to have, or true for any value, and is an \
             integer",
        ),
        (
            "[environments.live]\nendpoints = [\"app@db:5432\"]",
            "an address is \"host:port\", without user or database, or a file's absolute path",
        ),
        (
            "[environments.live]\nruns_in = \"release\"",
            "[environments.live]: runs_in = \"release\" asks for the platform's own variables",
        ),
        (
            "[environments.dev]\nprotected = false\nruns_in = \"ci\"",
            "[environments.dev]: runs_in is for protected environments",
        ),
    ] {
        let said = fault(text);
        assert!(said.contains(expected), "{said}");
    }
}

const ACCEPT: &str = r#"
[[accept]]
check = "schema-as-recorded"
target = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"
digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
because = "the index was made by hand in the outage of May 3rd"
"#;

#[test]
fn what_is_excused_is_read_with_its_line() {
    let second = ACCEPT.replace("schema-as-recorded", "adoption-proven");
    let settings = parse(&format!(
        "# a\n{ACCEPT}{second}[migrations]\ndir = \"db\"\n"
    ));
    let [first, second] = &settings.accept[..] else {
        panic!("{:?}", settings.accept);
    };
    assert_eq!(first.check, Acceptable::SchemaAsRecorded);
    assert_eq!(first.target, "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b");
    assert!(is_digest(&first.digest), "{}", first.digest);
    assert!(first.because.starts_with("the index was made"));
    assert_eq!(second.check, Acceptable::AdoptionProven);
    assert_eq!((first.line, second.line), (3, 9));
}

#[test]
fn what_can_not_be_an_exception_is_refused_with_its_place() {
    for (from, to, expected) in [
        (
            "schema-as-recorded",
            "schema-as-recorde",
            "line 3, column 9: unknown check in [[accept]]: \"schema-as-recorde\"; did you mean \
             \"schema-as-recorded\"?",
        ),
        (
            "schema-as-recorded",
            "database-marked",
            "line 3, column 9: check in [[accept]] must be one of adoption-proven, \
             schema-as-recorded",
        ),
        (
            "because",
            "becuase",
            "line 6, column 1: unknown key \"becuase\" in [[accept]]; did you mean \"because\"?",
        ),
        (
            "because = \"the index was made by hand in the outage of May 3rd\"",
            "because = \" \"",
            "line 6, column 11: because in [[accept]]: it is empty; say why what was found is right",
        ),
        (
            "because = \"the index was made by hand in the outage of May 3rd\"",
            "",
            "line 2, column 1: because is missing in [[accept]]",
        ),
        (
            "sha256:01",
            "01",
            "line 5, column 10: digest in [[accept]]: a digest is sha256: and 64 hexadecimal \
             digits in lower case, as the finding prints it",
        ),
        (
            "sha256:0123",
            "sha256:012",
            "line 5, column 10: digest in [[accept]]: a digest is sha256: and 64 hexadecimal \
             digits in lower case, as the finding prints it",
        ),
        (
            "sha256:0123456789abcdef",
            "sha256:0123456789ABCDEF",
            "line 5, column 10: digest in [[accept]]: a digest is sha256: and 64 hexadecimal \
             digits in lower case, as the finding prints it",
        ),
        (
            "1b4e28ba-",
            "production",
            "line 4, column 10: target in [[accept]]: the UUID of the database's mark belongs \
             here, as the finding prints it",
        ),
        (
            "[[accept]]",
            "[accept]",
            "line 2, column 1: accept must be an array, and is a table",
        ),
    ] {
        assert!(ACCEPT.contains(from), "{from}");
        assert_eq!(fault(&ACCEPT.replacen(from, to, 1)), expected);
    }
    let twice = fault(&format!("{ACCEPT}{ACCEPT}"));
    assert!(
        twice.ends_with("two entries say the same; delete one"),
        "{twice}"
    );
    let otherwise = ACCEPT.replace("May 3rd", "June 9th");
    assert_eq!(parse(&format!("{ACCEPT}{otherwise}")).accept.len(), 2);
}

#[test]
fn an_environments_name_must_fit_into_a_file_name() {
    assert!(fault("[environments.\"a/b\"]").contains("up to 64 letters"));
}

#[test]
fn a_password_in_the_file_is_refused_and_not_shown() {
    for text in [
        "[environments.dev]\ndatabase = \"postgres://u:hunter2@h/d\"",
        "[environments.dev]\ndatabase = \"host=h password=hunter2\"",
        "[environments.dev]\ndatabase = \"postgres://u:hunter2@@h/d\"",
        "[environments.dev]\ndatabase = \"mysql://u:hunter2@h/d\"",
        "[environments.dev]\nprotected = \"postgres://u:hunter2@h/d\"",
        "[schema]\nscratch = \"postgres://u:hunter2@h/d\"",
        "[scratch]\nserver = \"postgres://u:hunter2@h/d\"",
        "[backup]\npublish = [\"curl\", \"https://u:hunter2@h/\"]",
        "[backup]\nmax_age = \"hunter2\"",
        "[connection]\nmin_version = \"hunter2\"",
        "[environments.dev]\ndatabase = \"hunter2 = ",
        "[environments.dev]\ndatabase = hunter2",
    ] {
        let fault = fault(text);
        assert!(!fault.contains("hunter2"), "{fault}");
    }
    let said = fault("[scratch]\nserver = \"postgres://u:hunter2@h/d\"");
    assert!(
        said.starts_with("line 2, column 10: server in [scratch]: a password"),
        "{said}"
    );
    parse("[environments.dev]\ndatabase = \"postgres://u@h/d\"");
}

#[test]
fn a_scratch_server_is_temporary_or_named() {
    let server = |text: &str| parse(&format!("[scratch]\nserver = {text}")).scratch.server;
    assert_eq!(server("\"temporary\""), Some(ScratchServer::Temporary));
    for (text, source) in [
        (
            "\"postgres://u@h/d\"",
            DatabaseSource::Text("postgres://u@h/d".to_owned()),
        ),
        ("{ env = \"S\" }", DatabaseSource::Variable("S".to_owned())),
    ] {
        assert_eq!(server(text), Some(ScratchServer::Named(source)));
    }
    for (text, said) in [
        (
            "[scratch]\nserver = \"temporray\"",
            "server in [scratch]: it is \"temporary\", a server's URL, or { env = \"SCRATCH_URL\" }",
        ),
        (
            "[scratch]\nserver = 1",
            "server in [scratch] must be \"temporary\", a server's URL, or { env = \"SCRATCH_URL\" }, \
             and is an integer",
        ),
        (
            "[schema]\nscratch = { env = \"SCRATCH_URL\" }",
            "scratch in [schema] is the table [scratch] now; write in its place the two lines \
             `[scratch]` and `server = { env = \"SCRATCH_URL\" }`",
        ),
    ] {
        let fault = fault(text);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn the_file_is_found_or_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        Settings::read(None, dir.path()).unwrap(),
        Settings::default()
    );
    let named = Settings::read(Some(Path::new("other.toml")), dir.path());
    assert!(matches!(named, Err(FileError::Read { .. })), "{named:?}");

    std::fs::create_dir(dir.path().join("conf")).unwrap();
    let text = "[migrations]\ndir = \"db\"\n[backup]\ndir = \"/abs\"\nfiles = [\"a\"]\n\
                [schema]\nexpected = \"s.toml\"";
    std::fs::write(dir.path().join("conf/l.toml"), text).unwrap();
    let settings = Settings::read(Some(Path::new("conf/l.toml")), dir.path()).unwrap();
    assert_eq!(settings.migrations.dir, dir.path().join("conf/db"));
    assert_eq!(settings.backup.dir.as_deref(), Some(Path::new("/abs")));
    assert_eq!(settings.backup.files, [dir.path().join("conf/a")]);
    assert_eq!(
        settings.schema.expected,
        Some(dir.path().join("conf/s.toml"))
    );
    assert_eq!(settings.folder(), dir.path().join("conf"));
}

#[test]
fn what_is_no_settings_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(
        Settings::read(None, dir.path()),
        Err(FileError::Read { .. })
    ));
    std::fs::remove_dir(&file).unwrap();

    let size = usize::try_from(SIZE_BYTES_MAX).unwrap();
    std::fs::write(&file, "#".repeat(size)).unwrap();
    assert!(Settings::read(None, dir.path()).is_ok());
    std::fs::write(&file, "#".repeat(size + 1)).unwrap();
    let error = Settings::read(None, dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            FileError::Use {
                source: Fault::TooLarge,
                ..
            }
        ),
        "{error}"
    );

    std::fs::write(&file, b"# ok\n# \xff").unwrap();
    let error = Settings::read(None, dir.path()).unwrap_err();
    let FileError::Use { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.to_string(), "line 2, column 3: it is not UTF-8");
}
