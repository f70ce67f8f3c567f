//! PostgreSQL schemas, read from a real server.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

use std::process::Command;

use postgres::Client;
use schema::{Schema, Scope, diff, digest, read_postgres};
use tests::postgres_server::Server;

struct Database {
    client: Client,
    name: String,
}

impl Database {
    fn new(ddl: &str) -> Database {
        let server = Server::shared();
        let name = server.create_database();
        let mut client = server.connect(&name);
        client
            .batch_execute(ddl)
            .unwrap_or_else(|error| panic!("{ddl}: {error:?}"));
        Database { client, name }
    }

    /// As another migration would have left it.
    fn again(&mut self, ddl: &str) -> Schema {
        self.client
            .batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .unwrap();
        self.client
            .batch_execute(ddl)
            .unwrap_or_else(|error| panic!("{ddl}: {error:?}"));
        self.read()
    }

    fn read(&mut self) -> Schema {
        self.read_in(&Scope::default())
    }

    fn read_in(&mut self, scope: &Scope) -> Schema {
        let mut transaction = self.client.transaction().unwrap();
        read_postgres(&mut transaction, scope).unwrap()
    }
}

#[track_caller]
fn check_same(one: &str, other: &str) {
    let mut database = Database::new(one);
    let (one, other) = (database.read(), database.again(other));
    assert_eq!(diff(&one, &other), []);
    assert_eq!(diff(&other, &one), []);
    assert_eq!(digest(&one), digest(&other));
}

/// A schema with everything that PostgreSQL has and this crate reads.
const EVERYTHING: &str = r#"
    CREATE EXTENSION citext;
    CREATE EXTENSION pg_stat_statements;
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
    ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
    CREATE TYPE point3 AS (x int, y int, "the z" numeric(4, 2));
    CREATE TYPE span AS RANGE (SUBTYPE = date);
    CREATE DOMAIN email AS text COLLATE "C" NOT NULL DEFAULT 'x@y' CHECK (VALUE ~ '@');
    CREATE SEQUENCE tickets AS int INCREMENT BY 10 CYCLE;
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100),
        email email,
        name varchar(10) COLLATE "C" DEFAULT 'it''s',
        mood mood DEFAULT 'ok',
        tags text[] DEFAULT '{}',
        born date DEFAULT '2000-01-31',
        nick citext,
        created timestamptz NOT NULL DEFAULT now(),
        twice int GENERATED ALWAYS AS (length('ab') * 2) STORED,
        PRIMARY KEY (id),
        UNIQUE (email) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT known_mood CHECK (mood IN ('sad', 'ok'))
    );
    CREATE TABLE orders (
        id serial PRIMARY KEY,
        user_id bigint REFERENCES users ON DELETE CASCADE ON UPDATE SET NULL,
        during tsrange,
        EXCLUDE USING gist (during WITH &&)
    );
    CREATE UNLOGGED TABLE cache (key text);
    CREATE INDEX users_name ON users USING btree (lower(name) DESC) INCLUDE (id) WHERE name IS NOT NULL;
    CREATE INDEX users_tags ON users USING gin (tags);
    CREATE TABLE events (at timestamptz NOT NULL, what text, CHECK (what <> '')) PARTITION BY RANGE (at);
    CREATE INDEX events_what ON events (what);
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z');
    CREATE VIEW adults WITH (security_barrier) AS SELECT id, name FROM users WHERE born < now();
    CREATE MATERIALIZED VIEW totals AS SELECT user_id, count(*) FROM orders GROUP BY 1;
    CREATE UNIQUE INDEX totals_user ON totals (user_id);
    CREATE FUNCTION area(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS $$
        SELECT a * b
    $$;
    CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN END';
    CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TRIGGER seen AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE users ENABLE ALWAYS TRIGGER touched;
    ALTER TABLE users ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON users FOR SELECT TO PUBLIC USING (name = CURRENT_USER);
    CREATE RULE quiet AS ON DELETE TO cache DO INSTEAD NOTHING;
"#;

#[test]
fn the_file_form_gives_the_schema_back() {
    let mut database = Database::new(EVERYTHING);
    let schema = database.read();
    let toml = schema.to_toml().unwrap();
    assert_eq!(Schema::from_toml(&toml).unwrap(), schema, "{toml}");
    assert_eq!(
        Schema::from_json(&schema.to_json().unwrap()).unwrap(),
        schema
    );
    for line in [
        "engine = \"postgres\"",
        "[tables.\"public.users\"]",
        "columns.id = { type = \"bigint\", not_null = true, identity = \"ALWAYS\", sequence = \"START WITH 100\" }",
        "columns.born = { type = \"date\", default = \"'2000-01-31'::date\" }",
        "columns.mood = { type = \"public.mood\", default = \"'ok'::public.mood\" }",
        "columns.name = { type = \"character varying(10)\", default = \"'it''s'::character varying\", collation = \"C\" }",
        "columns.nick = { type = \"public.citext\" }",
        "columns.twice = { type = \"integer\", generated = \"((length('ab'::text) * 2)) STORED\" }",
        "    { name = \"users_email_key\", definition = \"UNIQUE (email) DEFERRABLE INITIALLY DEFERRED\" },",
        "options = [\"ROW LEVEL SECURITY\"]",
        "policies.own = \"AS PERMISSIVE FOR SELECT TO public USING (((name)::text = CURRENT_USER))\"",
        "\"public.mood\" = [\"sad\", \"meh\", \"ok\", \"it's\"]",
        "[functions.\"public.area(integer, integer)\"]",
        "definition = \"integer INCREMENT BY 10 CYCLE\"",
        "definition = '(x integer, y integer, \"the z\" numeric(4,2))'",
        "definition = \"AGGREGATE (SFUNC = int4pl(integer,integer), STYPE = integer, INITCOND = 0)\"",
        "[extensions.citext]",
    ] {
        assert!(toml.lines().any(|found| found == line), "{line}\n\n{toml}");
    }
    let partition = &schema.tables["public.events_2024"];
    let only_options = schema::Table {
        options: partition.options.clone(),
        ..schema::Table::default()
    };
    assert_eq!(
        *partition, only_options,
        "what a partition inherits is its parent's"
    );
    assert!(partition.options.iter().any(|option| {
        option.starts_with("PARTITION OF public.events FOR VALUES FROM ('2024-01-01 00:00:00+00')")
    }));
    assert!(
        !schema.functions.keys().any(|name| name.contains("citext")),
        "an extension's own"
    );
    assert!(!schema.views.contains_key("public.pg_stat_statements"));
    assert!(
        !schema.functions.keys().any(|name| name.contains("span")),
        "a range's constructors"
    );
}

#[test]
fn each_property_that_differs_is_one_finding() {
    let before = "CREATE TABLE t (a int, b text); CREATE TABLE p (x int PRIMARY KEY, y int UNIQUE);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';";
    let mut database =
        Database::new("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w");
    for (expected, actual, kind, subject) in [
        (
            "CREATE TABLE u (a serial PRIMARY KEY, b text UNIQUE); CREATE INDEX ON u (b)",
            "",
            "table-present",
            "public.u",
        ),
        (
            "",
            "CREATE TABLE u (a serial PRIMARY KEY, b text CHECK (b <> ''))",
            "table-declared",
            "public.u",
        ),
        (
            "",
            "ALTER TABLE t ADD c int",
            "column-declared",
            "public.t.c",
        ),
        ("", "ALTER TABLE t DROP b", "column-present", "public.t.b"),
        (
            "",
            "ALTER TABLE t ALTER a TYPE bigint",
            "column-as-expected",
            "public.t.a",
        ),
        (
            "",
            "ALTER TABLE t ALTER b TYPE varchar(9)",
            "column-as-expected",
            "public.t.b",
        ),
        (
            "",
            "ALTER TABLE t ALTER a SET NOT NULL",
            "column-as-expected",
            "public.t.a",
        ),
        (
            "",
            "ALTER TABLE t ALTER a SET DEFAULT 1",
            "column-as-expected",
            "public.t.a",
        ),
        (
            "",
            "ALTER TABLE t ALTER b TYPE text COLLATE \"C\"",
            "column-as-expected",
            "public.t.b",
        ),
        (
            "ALTER TABLE t ALTER a SET NOT NULL",
            "ALTER TABLE t ALTER a SET NOT NULL, ALTER a ADD GENERATED ALWAYS AS IDENTITY",
            "column-as-expected",
            "public.t.a",
        ),
        (
            "ALTER TABLE t ADD c int GENERATED BY DEFAULT AS IDENTITY",
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY",
            "column-as-expected",
            "public.t.c",
        ),
        (
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY",
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2)",
            "column-as-expected",
            "public.t.c",
        ),
        (
            "ALTER TABLE t ADD c serial",
            "ALTER TABLE t ADD c int GENERATED BY DEFAULT AS IDENTITY",
            "column-as-expected",
            "public.t.c",
        ),
        (
            "ALTER TABLE t ADD c serial",
            "ALTER TABLE t ADD c serial; ALTER SEQUENCE t_c_seq AS bigint",
            "column-as-expected",
            "public.t.c",
        ),
        (
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED",
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 2) STORED",
            "column-as-expected",
            "public.t.c",
        ),
        (
            "",
            "ALTER TABLE t ADD UNIQUE (a)",
            "unique-declared",
            "public.t.t_a_key",
        ),
        (
            "ALTER TABLE t ADD UNIQUE (a)",
            "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE",
            "unique-as-expected",
            "public.t.t_a_key",
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT one UNIQUE (a)",
            "ALTER TABLE t ADD CONSTRAINT two UNIQUE (a)",
            "unique-as-expected",
            "public.t.one",
        ),
        (
            "ALTER TABLE p RENAME CONSTRAINT p_pkey TO p_key",
            "",
            "primary-key-as-expected",
            "public.p.p_key",
        ),
        (
            "ALTER TABLE p DROP CONSTRAINT p_pkey",
            "ALTER TABLE p DROP CONSTRAINT p_pkey, ADD PRIMARY KEY (x) DEFERRABLE",
            "primary-key-declared",
            "public.p.p_pkey",
        ),
        (
            "",
            "ALTER TABLE t ADD CHECK (a > 0)",
            "check-declared",
            "public.t.t_a_check",
        ),
        (
            "ALTER TABLE t ADD CHECK (a > 0)",
            "ALTER TABLE t ADD CHECK (a > 0) NOT VALID",
            "check-as-expected",
            "public.t.t_a_check",
        ),
        (
            "ALTER TABLE t ADD CHECK (a > 0)",
            "ALTER TABLE t ADD CHECK (a > 1)",
            "check-as-expected",
            "public.t.t_a_check",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
            "",
            "foreign-key-present",
            "public.t.t_a_fkey",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (y)",
            "foreign-key-as-expected",
            "public.t.t_a_fkey",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE",
            "foreign-key-as-expected",
            "public.t.t_a_fkey",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p DEFERRABLE INITIALLY DEFERRED",
            "foreign-key-as-expected",
            "public.t.t_a_fkey",
        ),
        (
            "",
            "ALTER TABLE t ADD EXCLUDE (a WITH =)",
            "exclusion-declared",
            "public.t.t_a_excl",
        ),
        ("CREATE INDEX i ON t (a)", "", "index-present", "public.t.i"),
        (
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX i ON t (a, b)",
            "index-as-expected",
            "public.t.i",
        ),
        (
            "CREATE INDEX i ON t (a)",
            "CREATE UNIQUE INDEX i ON t (a)",
            "index-as-expected",
            "public.t.i",
        ),
        (
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX i ON t USING hash (a)",
            "index-as-expected",
            "public.t.i",
        ),
        (
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX i ON t (a) WHERE a > 0",
            "index-as-expected",
            "public.t.i",
        ),
        (
            "CREATE INDEX i ON t (lower(b))",
            "CREATE INDEX i ON t (upper(b))",
            "index-as-expected",
            "public.t.i",
        ),
        (
            "",
            "ALTER TABLE t SET UNLOGGED",
            "table-as-expected",
            "public.t",
        ),
        (
            "",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "table-as-expected",
            "public.t",
        ),
        (
            "",
            "CREATE POLICY o ON t USING (a > 0)",
            "policy-declared",
            "public.t.o",
        ),
        (
            "CREATE POLICY o ON t USING (a > 0)",
            "CREATE POLICY o ON t USING (a > 1)",
            "policy-as-expected",
            "public.t.o",
        ),
        (
            "CREATE RULE o AS ON DELETE TO t DO INSTEAD NOTHING",
            "",
            "rule-present",
            "public.t.o",
        ),
        (
            "CREATE TABLE e (a int) PARTITION BY RANGE (a)",
            "CREATE TABLE e (a int) PARTITION BY LIST (a)",
            "table-as-expected",
            "public.e",
        ),
        (
            "CREATE TABLE e (a int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT",
            "CREATE TABLE e (a int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e FOR VALUES IN (1)",
            "table-as-expected",
            "public.e1",
        ),
        (
            "CREATE TABLE e (a int, b int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT",
            "CREATE TABLE e (a int, b text) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT",
            "column-as-expected",
            "public.e.b",
        ),
        (
            "CREATE TABLE e (a int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT; CREATE INDEX i ON e (a)",
            "CREATE TABLE e (a int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT",
            "index-present",
            "public.e.i",
        ),
        (
            "CREATE TABLE e (a int, b int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT",
            "CREATE TABLE e (a int, b int) PARTITION BY LIST (a); CREATE TABLE e1 PARTITION OF e DEFAULT;
             ALTER TABLE e1 ALTER b SET DEFAULT 1",
            "column-as-expected",
            "public.e1.b",
        ),
        (
            "CREATE TABLE e (a int PRIMARY KEY) PARTITION BY LIST (a); CREATE TABLE r (x int REFERENCES e)",
            "CREATE TABLE e (a int PRIMARY KEY) PARTITION BY LIST (a); CREATE TABLE r (x int REFERENCES e);
             CREATE TABLE e1 PARTITION OF e DEFAULT",
            "table-declared",
            "public.e1",
        ),
        (
            "CREATE TABLE e (a int CHECK (a > 0), b int); CREATE TABLE e1 (c int) INHERITS (e)",
            "CREATE TABLE e (a int CHECK (a > 0), b text); CREATE TABLE e1 (c int) INHERITS (e)",
            "column-as-expected",
            "public.e.b",
        ),
        (
            "CREATE FOREIGN TABLE e (a int) SERVER s OPTIONS (x '1')",
            "CREATE FOREIGN TABLE e (a int) SERVER s OPTIONS (x '2')",
            "table-as-expected",
            "public.e",
        ),
        (
            "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int)",
            "CREATE AGGREGATE g (int) (SFUNC = int4mi, STYPE = int)",
            "function-as-expected",
            "public.g(integer)",
        ),
        (
            "CREATE TYPE m AS RANGE (SUBTYPE = date)",
            "CREATE TYPE m AS RANGE (SUBTYPE = numeric)",
            "type-as-expected",
            "public.m",
        ),
        (
            "CREATE VIEW v AS SELECT a FROM t",
            "",
            "view-present",
            "public.v",
        ),
        (
            "CREATE VIEW v AS SELECT a FROM t",
            "CREATE VIEW v AS SELECT a + 0 AS a FROM t",
            "view-as-expected",
            "public.v",
        ),
        (
            "CREATE VIEW v AS SELECT a FROM t",
            "CREATE MATERIALIZED VIEW v AS SELECT a FROM t",
            "view-as-expected",
            "public.v",
        ),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT a FROM t; CREATE INDEX i ON v (a)",
            "CREATE MATERIALIZED VIEW v AS SELECT a FROM t",
            "index-present",
            "public.v.i",
        ),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "",
            "trigger-present",
            "public.t.g",
        ),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "trigger-as-expected",
            "public.t.g",
        ),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER g",
            "trigger-as-expected",
            "public.t.g",
        ),
        (
            "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "function-as-expected",
            "public.g(integer)",
        ),
        (
            "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE FUNCTION g(int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "function-as-expected",
            "public.g(integer)",
        ),
        (
            "CREATE PROCEDURE g() LANGUAGE sql AS 'SELECT 1'",
            "",
            "function-present",
            "public.g()",
        ),
        (
            "CREATE SEQUENCE s",
            "CREATE SEQUENCE s INCREMENT BY 2",
            "sequence-as-expected",
            "public.s",
        ),
        ("CREATE SEQUENCE s", "", "sequence-present", "public.s"),
        (
            "CREATE TYPE m AS ENUM ('a', 'b')",
            "CREATE TYPE m AS ENUM ('b', 'a')",
            "enum-as-expected",
            "public.m",
        ),
        (
            "CREATE TYPE m AS (a int)",
            "CREATE TYPE m AS (a bigint)",
            "type-as-expected",
            "public.m",
        ),
        (
            "CREATE DOMAIN m AS int",
            "CREATE DOMAIN m AS int CHECK (VALUE > 0)",
            "domain-as-expected",
            "public.m",
        ),
        (
            "CREATE DOMAIN m AS int",
            "CREATE DOMAIN m AS int DEFAULT 1 NOT NULL",
            "domain-as-expected",
            "public.m",
        ),
        (
            "CREATE TABLE r (x int REFERENCES p)",
            "CREATE TABLE r (x int REFERENCES p); ALTER TABLE p DISABLE TRIGGER ALL",
            "foreign-key-as-expected",
            "public.r.r_x_fkey",
        ),
        (
            "CREATE TABLE r (x int REFERENCES p)",
            "CREATE TABLE r (x int REFERENCES p); ALTER TABLE r DISABLE TRIGGER ALL",
            "foreign-key-as-expected",
            "public.r.r_x_fkey",
        ),
        (
            "CREATE TABLE q (x int) PARTITION BY LIST (x); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1); ALTER TABLE q ADD FOREIGN KEY (x) REFERENCES p",
            "CREATE TABLE q (x int) PARTITION BY LIST (x); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1); ALTER TABLE q ADD FOREIGN KEY (x) REFERENCES p; ALTER TABLE q1 DISABLE TRIGGER ALL",
            "foreign-key-as-expected",
            "public.q.q_x_fkey",
        ),
        (
            "CREATE TABLE q (x int) PARTITION BY LIST (x); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1); CREATE TRIGGER g BEFORE INSERT ON q FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE TABLE q (x int) PARTITION BY LIST (x); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1); CREATE TRIGGER g BEFORE INSERT ON q FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE q1 DISABLE TRIGGER g",
            "trigger-declared",
            "public.q1.g",
        ),
        (
            "CREATE RULE ru AS ON DELETE TO t DO INSTEAD NOTHING",
            "CREATE RULE ru AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE ru",
            "rule-as-expected",
            "public.t.ru",
        ),
        (
            "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int)",
            "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int, PARALLEL = SAFE)",
            "function-as-expected",
            "public.g(integer)",
        ),
        (
            "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int)",
            "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int)",
            "function-as-expected",
            "public.g(integer)",
        ),
        (
            "CREATE FOREIGN TABLE e (a int OPTIONS (x '1')) SERVER s",
            "CREATE FOREIGN TABLE e (a int OPTIONS (x '2')) SERVER s",
            "column-as-expected",
            "public.e.a",
        ),
        ("CREATE EXTENSION citext", "", "extension-present", "citext"),
    ] {
        let expected_schema = database.again(&format!("{before} {expected}"));
        let actual_schema = database.again(&format!("{before} {actual}"));
        let found = diff(&expected_schema, &actual_schema);
        assert_eq!(found.len(), 1, "{expected} | {actual}\n{found:#?}");
        let (id, about) = (found[0].kind.id, found[0].subject.as_str());
        assert_eq!((id, about), (kind, subject), "{found:#?}");
        assert_ne!(digest(&expected_schema), digest(&actual_schema));
    }
}

#[test]
fn what_postgresql_prints_otherwise_is_no_difference() {
    check_same(
        "CREATE TYPE m AS ENUM ('a', 'b');
         CREATE TABLE t (
             a int CHECK (a IN (1, 2)), b varchar(10) DEFAULT 'x', c timestamptz DEFAULT now(),
             d decimal(4,2), e bool, m m DEFAULT 'a', s serial
         );
         CREATE INDEX i ON t (lower(b)) WHERE b LIKE 'a%';
         CREATE VIEW v AS SELECT * FROM t WHERE a BETWEEN 1 AND 2;
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1;'",
        "CREATE TYPE public.m AS ENUM ('a', 'b');
         SET search_path = '';
         CREATE SEQUENCE public.t_s_seq AS integer;
         CREATE TABLE public.t (
             s integer DEFAULT nextval('public.t_s_seq') NOT NULL,
             b character varying(10) DEFAULT 'x'::varchar, a integer, c timestamp with time zone
             DEFAULT CURRENT_TIMESTAMP, d numeric(4,2), e boolean, m public.m DEFAULT 'a'::public.m,
             CONSTRAINT t_a_check CHECK (a = ANY (ARRAY[1, 2]))
         );
         ALTER TABLE public.t ALTER c SET DEFAULT now();
         ALTER SEQUENCE public.t_s_seq OWNED BY public.t.s;
         CREATE INDEX i ON public.t USING btree (lower((b)::text)) WHERE ((b)::text ~~ 'a%'::text);
         CREATE VIEW public.v AS SELECT t.a, t.b, t.c, t.d, t.e, t.m, t.s FROM public.t
             WHERE ((t.a >= 1) AND (t.a <= 2));
         CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS E'\\r\\n  SELECT 1;  \\r\\n';
         RESET search_path",
    );
}

#[test]
fn a_restored_dump_equals_its_original() {
    let server = Server::shared();
    let (from, to) = (server.create_database(), server.create_database());
    server.connect(&from).batch_execute(EVERYTHING).unwrap();
    let dump = Command::new(server.bin().join("pg_dump"))
        .args(["--schema-only", "--dbname", &server.url(&from)])
        .output()
        .unwrap();
    let text: Vec<_> = std::str::from_utf8(&dump.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .collect();
    server.connect(&to).batch_execute(&text.join("\n")).unwrap();
    let read = |database: &str| {
        let mut client = server.connect(database);
        let mut transaction = client.transaction().unwrap();
        read_postgres(&mut transaction, &Scope::default()).unwrap()
    };
    let (original, restored) = (read(&from), read(&to));
    assert!(!original.tables.is_empty());
    assert_eq!(diff(&original, &restored), []);
}

#[test]
fn settings_of_the_session_do_not_show_and_are_kept() {
    let mut database = Database::new(EVERYTHING);
    let plain = database.read();
    database
        .client
        .batch_execute(
            "SET search_path = pg_temp, public; SET quote_all_identifiers = on;
             SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'; SET intervalstyle = 'iso_8601'",
        )
        .unwrap();
    assert_eq!(database.read(), plain);
    let path: String = database
        .client
        .query_one("SHOW search_path", &[])
        .unwrap()
        .get(0);
    assert_eq!(path, "pg_temp, public");
}

#[test]
fn a_read_only_transaction_of_the_caller_does_and_is_left_as_it_was() {
    let mut database = Database::new("CREATE TABLE t (a int)");
    let mut transaction = database
        .client
        .build_transaction()
        .read_only(true)
        .start()
        .unwrap();
    let path = |transaction: &mut postgres::Transaction<'_>| -> String {
        transaction
            .query_one("SHOW search_path", &[])
            .unwrap()
            .get(0)
    };
    let before = path(&mut transaction);
    let schema = read_postgres(&mut transaction, &Scope::default()).unwrap();
    assert!(schema.tables.contains_key("public.t"));
    assert_eq!(path(&mut transaction), before);
    transaction.commit().unwrap();
}

#[test]
fn an_error_leaves_the_transaction_usable_and_without_one_there_is_no_reading() {
    let mut database = Database::new("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t");
    let error = read_postgres(&mut database.client, &Scope::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read PostgreSQL's settings");
    let path: String = database
        .client
        .query_one("SHOW search_path", &[])
        .unwrap()
        .get(0);
    assert_ne!(path, "\"\"");

    // The server locks a view's tables to print it.
    let mut blocker = Server::shared().connect(&database.name);
    let mut blocking = blocker.transaction().unwrap();
    blocking
        .batch_execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let mut transaction = database.client.transaction().unwrap();
    transaction
        .batch_execute("SET LOCAL lock_timeout = '50ms'")
        .unwrap();
    let error = read_postgres(&mut transaction, &Scope::default()).unwrap_err();
    assert_eq!(contract::Classify::class(&error), contract::Class::Busy);
    blocking.rollback().unwrap();
    assert!(read_postgres(&mut transaction, &Scope::default()).is_ok());
}

#[test]
fn an_invalid_index_is_a_finding_even_if_it_is_expected() {
    let mut database = Database::new("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)");
    let none = database.read();
    database
        .client
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)")
        .unwrap_err();
    let invalid = database.read();
    assert_eq!(invalid.invalid_indexes(), ["public.t.i"]);
    for expected in [&none, &invalid] {
        let found = diff(expected, &invalid);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(
            (found[0].kind, found[0].subject.as_str()),
            (schema::INDEX_VALID, "public.t.i")
        );
    }
    database
        .client
        .batch_execute("DELETE FROM t; REINDEX INDEX i")
        .unwrap();
    assert_eq!(diff(&invalid, &database.read()), []);
    assert_eq!(
        Schema::from_toml(&invalid.to_toml().unwrap()).unwrap(),
        invalid
    );
}

#[test]
fn the_scope_bounds_what_is_read() {
    let mut database = Database::new(
        "CREATE SCHEMA app; CREATE SCHEMA lockstep; CREATE SCHEMA other;
         CREATE TABLE app.t (a int); CREATE TABLE public.audit_log (a serial); CREATE TABLE lockstep.migrations (a int);
         CREATE TABLE other.t (a int); CREATE VIEW public.audit_view AS SELECT 1;
         CREATE FUNCTION app.tmp_f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION lockstep.freeze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
         CREATE TRIGGER frozen BEFORE INSERT ON app.t EXECUTE FUNCTION lockstep.freeze();
         CREATE TABLE public.\"Odd.Name\" (a int)",
    );
    let scope = Scope {
        schemas: ["public", "app", "lockstep", "nowhere"]
            .map(str::to_owned)
            .to_vec(),
        ignore: vec!["audit_*".to_owned(), "app.tmp_?".to_owned()],
        ..Scope::default()
    };
    let schema = database.read_in(&scope);
    assert_eq!(
        schema.tables.keys().collect::<Vec<_>>(),
        ["app.t", "public.\"Odd.Name\""]
    );
    assert!(schema.functions.is_empty() && schema.views.is_empty() && schema.sequences.is_empty());
    assert!(schema.tables["app.t"].triggers.is_empty());
    assert_eq!(schema.missing_schemas(&scope), ["nowhere"]);
    assert!(schema.server_major.is_some_and(|major| major >= 13));

    // A ledger with another name may stand among the application's tables.
    database
        .client
        .batch_execute("CREATE TABLE app.migrations (a int); CREATE TABLE app.schema (a int)")
        .unwrap();
    let other_ledger = Scope {
        ledger_schema: "app".to_owned(),
        ..scope.clone()
    };
    let same = database.read_in(&other_ledger);
    assert_eq!(diff(&schema, &same), []);

    // A schema that is missing is one finding, whatever was in it.
    database
        .client
        .batch_execute("DROP SCHEMA app CASCADE")
        .unwrap();
    let found = diff(&schema, &database.read_in(&scope));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].kind.id, found[0].subject.as_str()),
        ("schema-present", "app")
    );
    // Recorded with a wider scope, it compares within the narrower one.
    let narrow = Scope {
        schemas: vec!["public".to_owned()],
        ..scope.clone()
    };
    let now = database.read_in(&narrow);
    assert_eq!(diff(&narrow.within(&schema), &now), []);
}

#[test]
fn nothing_in_scope_is_an_empty_schema() {
    let mut database = Database::new("");
    let scope = Scope {
        schemas: vec!["nowhere".to_owned()],
        ..Scope::default()
    };
    let schema = database.read_in(&scope);
    assert!(schema.schemas.is_empty() && schema.server_major.is_some());
}

#[test]
fn odd_names_are_told_apart() {
    let odd = r#"
        CREATE SCHEMA "sche.ma"; CREATE TYPE "public"."a ""type""" AS ENUM ('it''s', 'a"b', E'two\nlines');
        CREATE TABLE "select" ("or""der" int, "a b" text, "größe" int CHECK ("größe" > 0), "from" int UNIQUE);
        CREATE TABLE "Select" ("new
line" "a ""type""" DEFAULT E'two\nlines');
        CREATE INDEX "an ""index" ON "select" ("größe", "a b") WHERE "or""der" = 1;
        CREATE FUNCTION "a.b"("x y" "select") RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE VIEW "1v" AS SELECT * FROM "select";"#;
    let mut database = Database::new(odd);
    let schema = database.read();
    let toml = schema.to_toml().unwrap();
    assert_eq!(Schema::from_toml(&toml).unwrap(), schema, "{toml}");
    assert!(
        schema.tables.contains_key("public.select") && schema.tables.contains_key("public.Select")
    );
    database
        .client
        .batch_execute(r#"DROP INDEX "an ""index""#)
        .unwrap();
    let found = diff(&schema, &database.read());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "public.select.\"an \"\"index\"");
}

#[test]
fn a_role_without_privileges_reads_the_same() {
    let mut database = Database::new(EVERYTHING);
    let whole = database.read();
    let mut transaction = database.client.transaction().unwrap();
    transaction
        .batch_execute("CREATE ROLE nobody_at_all; SET LOCAL ROLE nobody_at_all")
        .unwrap();
    let read = read_postgres(&mut transaction, &Scope::default()).unwrap();
    assert_eq!(diff(&whole, &read), []);
    transaction.rollback().unwrap();
}
