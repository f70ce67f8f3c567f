//! A database to back up, and what its snapshot is held against.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use postgres::{Client, NoTls};
use snapshots::fp1::Accumulator;
use snapshots::manifest::TableClass;
use snapshots::postgres as pg;
use snapshots::publish::Partial;
use snapshots::{Error, Manifest, Progress, Stop, manifest};
use tempfile::TempDir;
use tests::postgres_server::{PASSWORD, Server, USER};

pub(crate) const SILENT: Progress<'static> = &|_, _, _| {};
pub(crate) const NAME: &str = "20261120T181500Z-test-1a2b3c4d";

/// A database of its own on the shared server, and the folder for its snapshot.
pub(crate) struct Fixture {
    pub(crate) server: &'static Server,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) pg_dump: Option<Vec<String>>,
    pub(crate) patience: pg::Patience,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) fn new(sql: &str) -> Fixture {
        Fixture::on(Server::shared(), sql)
    }

    pub(crate) fn on(server: &'static Server, sql: &str) -> Fixture {
        let database = server.create_database();
        server.connect(&database).batch_execute(sql).unwrap();
        let patience = pg::Patience {
            lock_timeout: Duration::from_millis(300),
            attempts: 3,
        };
        Fixture {
            server,
            database,
            user: USER.to_owned(),
            pg_dump: None,
            patience,
            dir: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        self.server.connect(&self.database)
    }

    pub(crate) fn take(&self, progress: Progress<'_>) -> Result<PathBuf, Error> {
        let url = self.server.url(&self.database);
        let mut config: postgres::Config = url.parse().unwrap();
        let mut client = config.user(&self.user).connect(NoTls).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let partial = Partial::create(self.dir.path(), NAME)?;
        let content = pg::snapshot(&mut pg::Request {
            client: &mut client,
            server: &pg::Server {
                parameters: vec![
                    pair("host", "127.0.0.1"),
                    pair("port", &self.server.port().to_string()),
                    pair("user", &self.user),
                    pair("dbname", &self.database),
                    pair("application_name", "backup-snapshot"),
                ],
                password: Some(PASSWORD.to_owned()),
            },
            pg_dump: self.pg_dump.as_deref(),
            folder: partial.path(),
            own: &|schema, _| schema == "lockstep",
            in_snapshot: &mut |_| true,
            patience: self.patience,
            progress,
            stop: &Stop::default(),
        })?;
        let now = snapshots::rfc3339(Timestamp::now());
        let manifest = Manifest {
            format: manifest::FORMAT.to_owned(),
            id: NAME.to_owned(),
            tool: "test".to_owned(),
            version: "0".to_owned(),
            environment: "test".to_owned(),
            target_identity: "identity".to_owned(),
            target: self.database.clone(),
            ledger_state: "empty".to_owned(),
            started_at: now.clone(),
            completed_at: now,
            git: None,
            content,
        };
        manifest.write(partial.path())?;
        partial.publish()
    }

    /// The dump as `pg_dump` wrote it.
    pub(crate) fn unpack(&self, snapshot: &Path) -> PathBuf {
        let to = self.dir.path().join("unpacked");
        let packed = fs::File::open(snapshot.join(pg::FILE_NAME)).unwrap();
        zstd::stream::copy_decode(packed, fs::File::create(&to).unwrap()).unwrap();
        to
    }

    /// Restores the snapshot with PostgreSQL's own program into a new database.
    pub(crate) fn restore(&self, snapshot: &Path) -> Client {
        let database = self.server.create_database();
        let status = Command::new(self.server.bin().join("pg_restore"))
            .args(["--exit-on-error", "--dbname", &self.server.url(&database)])
            .arg(self.unpack(snapshot))
            .status()
            .unwrap();
        assert!(status.success());
        self.server.connect(&database)
    }

    /// A script that stands for `pg_dump` and does `before` first; `$DIR` is the fixture's folder.
    pub(crate) fn wrap(&mut self, before: &str) {
        let path = self.dir.path().join("wrapped");
        let real = self.server.bin().join("pg_dump");
        let (dir, real) = (self.dir.path().display(), real.display());
        let script = format!(
            "#!/bin/sh\nDIR='{dir}'\nif [ \"$1\" != --version ]; then\n{before}\nfi\n\
             exec '{real}' \"$@\"\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.pg_dump = Some(vec![path.to_str().unwrap().to_owned()]);
    }

    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = names
            .filter(|name| name.contains("test-1a2b3c4d"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}

/// What the manifest says about every table, and what the session sees.
#[track_caller]
pub(crate) fn assert_same_rows(manifest: &Manifest, client: &mut Client) {
    pg::pin(client).unwrap();
    let listing = pg::list(client, &|schema, _| schema == "lockstep").unwrap();
    let mut accumulator = Accumulator::new();
    let mut found = Vec::new();
    for table in listing
        .tables
        .iter()
        .filter(|table| !table.own && !table.partitioned)
    {
        let digest = pg::digest(client, table, &mut accumulator).unwrap();
        found.push((
            table.full_name(),
            table.columns.clone(),
            digest.rows,
            digest.sum,
        ));
    }
    let tables = manifest.content.tables.iter();
    let leaves = tables.filter(|table| table.class == TableClass::Data);
    let recorded: Vec<_> = leaves
        .map(|table| {
            let name = format!("{}.{}", table.schema.as_deref().unwrap(), table.name);
            (name, table.columns.clone(), table.rows, table.digest)
        })
        .collect();
    assert_eq!(found, recorded);
}
