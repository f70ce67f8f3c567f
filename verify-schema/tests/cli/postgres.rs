//! Comparisons on a server.

use ::postgres::Client;
use schema::Scope;
use tests::own_tables::Engine;
use tests::postgres_server::Server;

use tests::ran::Ran;

use crate::support::Place;

pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) url: String,
}

impl Database {
    pub(crate) fn new(sql: &str) -> Database {
        Database::on(Server::shared(), sql)
    }

    pub(crate) fn on(server: &Server, sql: &str) -> Database {
        let name = server.create_database();
        // The tests' role has the name of Lockstep's schema, which `"$user"` would lead into.
        server
            .connect("postgres")
            .batch_execute(&format!("ALTER DATABASE {name} SET search_path = public"))
            .unwrap();
        let mut client = server.connect(&name);
        client.batch_execute(sql).unwrap();
        let url = server.url(&name);
        Database { name, client, url }
    }

    pub(crate) fn change(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap();
    }

    fn read(&mut self, schemas: &[&str]) -> schema::Schema {
        let scope = Scope {
            schemas: schemas.iter().map(|name| (*name).to_owned()).collect(),
            ..Scope::default()
        };
        let mut transaction = self.client.transaction().unwrap();
        schema::read_postgres(&mut transaction, &scope).unwrap()
    }

    fn verify(&self, place: &Place, args: &[&str]) -> Ran {
        place.run_with(args, &[("DATABASE_URL", &self.url)])
    }
}

const DDL: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email text NOT NULL UNIQUE, mood mood DEFAULT 'ok', CHECK (email <> ''));
    CREATE INDEX users_mood ON users (mood) WHERE mood = 'sad';
    CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql AS $$ SELECT upper(t) $$;
    CREATE VIEW loud AS SELECT shout(email) AS email FROM users";

#[test]
fn what_is_as_recorded_passes_and_what_is_not_is_found() {
    let mut database = Database::new(DDL);
    let place = Place::new();
    place.write("schema.toml", database.read(&["public"]).to_toml().unwrap());
    let args = ["--expected", "schema.toml"];
    let ran = database.verify(&place, &args);
    ran.exits(0)
        .says("PASS index-valid 1 index\n")
        .says("PASS table-as-expected 1 table\n")
        .says("PASS enum-as-expected 1 enum\n")
        .says("PASS function-as-expected 1 function or procedure\n")
        .says("pass: as expected by schema.toml\n");

    // Dropped and made again, with the columns in another order.
    database.change(&format!(
        "DROP VIEW loud; DROP FUNCTION shout(text); DROP TABLE users; DROP TYPE mood; {DDL};
         ALTER TABLE users DROP COLUMN mood;
         ALTER TABLE users ADD COLUMN mood mood DEFAULT 'ok'::mood;
         CREATE INDEX users_mood ON users USING btree (mood) WHERE (mood = 'sad'::mood)"
    ));
    database.verify(&place, &args).exits(0);

    database.change(
        "DROP VIEW loud;
         ALTER TABLE users ALTER email TYPE varchar(80), ALTER email SET DEFAULT 'x@y',
            ADD COLUMN nick text;
         ALTER TYPE mood ADD VALUE 'happy'",
    );
    let ran = database.verify(&place, &args);
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "view-present public.loud: not found",
            "enum-as-expected public.mood: differs in labels",
            "column-as-expected public.users.email: differs in type, default",
            "column-declared public.users.nick: not expected",
            "check-as-expected public.users.users_email_check: differs in definition",
        ]
    );
    ran.says("  expected: text; no default\n")
        .says("  actual: character varying(80); default 'x@y'::");
}

#[test]
fn an_invalid_index_fails_even_as_recorded() {
    let mut database = Database::new("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)");
    let concurrently = "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)";
    database.client.batch_execute(concurrently).unwrap_err();
    let place = Place::new();
    place.write("schema.toml", database.read(&["public"]).to_toml().unwrap());
    let ran = database.verify(&place, &["--expected", "schema.toml"]);
    ran.exits(1).says("FAIL index-valid public.t.i: invalid");
    assert_eq!(ran.failures().len(), 1, "{}", ran.stdout);
}

#[test]
fn a_schema_that_is_not_there_is_a_warning_unless_it_is_expected() {
    let mut database =
        Database::new("CREATE TABLE t (a int); CREATE SCHEMA app; CREATE TABLE app.u (b int)");
    let place = Place::new();
    let settings =
        "[schema]\nexpected = \"schema.toml\"\nschemas = [\"public\", \"app\", \"absent\"]\n";
    place.write("lockstep.toml", settings);
    place.write(
        "schema.toml",
        database.read(&["public", "app"]).to_toml().unwrap(),
    );
    database
        .verify(&place, &[])
        .exits(0)
        .says("WARN schema-exists absent: does not exist\n");
    database.change("DROP SCHEMA app CASCADE");
    let ran = database.verify(&place, &[]);
    ran.exits(1).says_not("WARN schema-exists app");
    assert_eq!(ran.failures(), ["schema-present app: not found"]);
    // Out of the scope, what was recorded does not count.
    place.write("lockstep.toml", "[schema]\nexpected = \"schema.toml\"\n");
    database.verify(&place, &[]).exits(0);
}

#[test]
fn a_scope_that_leaves_nothing_to_compare_is_a_misuse() {
    let mut database = Database::new("CREATE TABLE t (a int)");
    let place = Place::new();
    place.write("schema.toml", database.read(&["public"]).to_toml().unwrap());
    for scope in [
        "schemas = [\"pubic\"]",
        "schemas = []",
        "schemas = [\"lockstep\"]",
        "ignore = [\"*\"]",
    ] {
        let settings = format!("[schema]\nexpected = \"schema.toml\"\n{scope}\n");
        place.write("lockstep.toml", settings);
        database
            .verify(&place, &[])
            .exits(2)
            .says("cannot compare: nothing that schema.toml names is left")
            .says("correct schemas and ignore");
    }
    // Where nothing is expected, nothing is missed.
    database.change("DROP TABLE t");
    place.write("schema.toml", database.read(&["public"]).to_toml().unwrap());
    database.verify(&place, &[]).exits(0);
}

#[test]
fn another_major_version_is_a_warning() {
    let mut database = Database::new("CREATE TABLE t (a int)");
    let place = Place::new();
    let mut schema = database.read(&["public"]);
    let major = schema.server_major.unwrap();
    schema.server_major = Some(major - 1);
    place.write("schema.toml", schema.to_toml().unwrap());
    let ran = database.verify(&place, &["--expected", "schema.toml"]);
    ran.exits(0)
        .says("WARN major-as-recorded server")
        .says(&format!("  expected: {}\n  actual: {major}\n", major - 1));
}

#[test]
fn the_ledgers_record_counts_where_there_is_no_file() {
    let mut database = Database::new(DDL);
    let document = database.read(&["public"]).to_json().unwrap();
    let nothing_applied = migrations::ledger_state(&[]);
    database.change(&Engine::Postgres.ledger(&[]));
    database.change(&Engine::Postgres.recorded_schema(&document, &nothing_applied));
    let place = Place::new();
    database
        .verify(&place, &["--strict"])
        .exits(0)
        .says("PASS record-current")
        .says("as expected by the adoption of 2026-01-02T03:04:05.000Z");
    database.change(&Engine::Postgres.recorded_schema(&document, "another"));
    database.change("ALTER TABLE users ADD COLUMN by_hand int");
    let ran = database.verify(&place, &[]);
    // No file came after it that could account for what differs.
    ran.exits(1).says("WARN record-current");
    assert!(
        ran.failures()
            .contains(&"column-declared public.users.by_hand: not expected"),
        "{ran:?}"
    );
}

#[test]
fn a_role_that_may_only_read_is_enough_and_no_table_is_left() {
    let mut database = Database::new("CREATE TABLE t (a int)");
    database.change("CREATE ROLE reader LOGIN PASSWORD 'r'");
    let place = Place::new();
    let url = Server::shared().url_as("reader", "r", &database.name);
    place
        .run_with(&[], &[("DATABASE_URL", &url)])
        .exits(0)
        .says("WARN expectation-known");
    let schemas: i64 = database
        .client
        .query_one(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(schemas, 0);
}
