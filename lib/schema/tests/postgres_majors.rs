//! Changes that not every major version of PostgreSQL knows, and records of before a property was
//! read.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

use postgres::Client;
use schema::{Schema, Scope, diff, digest, read_postgres};
use tests::postgres_server::Server;

/// The schema of a new database after these statements.
fn schema_of(ddl: &str) -> Schema {
    let server = Server::shared();
    let name = server.create_database();
    let mut client = server.connect(&name);
    client
        .batch_execute(ddl)
        .unwrap_or_else(|error| panic!("{ddl}: {error:?}"));
    read(&mut client)
}

fn read(client: &mut Client) -> Schema {
    let mut transaction = client.transaction().unwrap();
    read_postgres(&mut transaction, &Scope::default()).unwrap()
}

/// A change by hand: the first major that knows it, what was deployed, what was done then, and the
/// finding.
type Change = (u32, &'static str, &'static str, &'static str, &'static str);

const PARTITIONED: &str = "CREATE TABLE m (a int) PARTITION BY RANGE (a);
    CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (9);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER g AFTER INSERT ON m FOR EACH ROW EXECUTE FUNCTION f();
    CREATE CONSTRAINT TRIGGER h AFTER INSERT ON m1 FOR EACH ROW EXECUTE FUNCTION f();";

const NOT_NULL: &str = "CREATE TABLE t (a int NOT NULL, b int)";

const CHANGES: [Change; 34] = [
    (
        13,
        PARTITIONED,
        "ALTER TABLE m1 DISABLE TRIGGER g",
        "trigger-declared",
        "public.m1.g",
    ),
    (
        13,
        PARTITIONED,
        "ALTER TABLE m1 DISABLE TRIGGER h",
        "trigger-as-expected",
        "public.m1.h",
    ),
    (
        13,
        "CREATE TYPE c AS (x text, y text)",
        "ALTER TYPE c ALTER ATTRIBUTE y TYPE text COLLATE \"C\"",
        "type-as-expected",
        "public.c",
    ),
    (
        13,
        "CREATE TYPE r AS RANGE (SUBTYPE = float8)",
        "DROP TYPE r; CREATE TYPE r AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi)",
        "type-as-expected",
        "public.r",
    ),
    (
        13,
        "CREATE TYPE r AS RANGE (SUBTYPE = text)",
        "DROP TYPE r; CREATE TYPE r AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = text_pattern_ops)",
        "type-as-expected",
        "public.r",
    ),
    (
        13,
        "CREATE TYPE r AS RANGE (SUBTYPE = text)",
        "DROP TYPE r; CREATE TYPE r AS RANGE (SUBTYPE = text, COLLATION = \"C\")",
        "type-as-expected",
        "public.r",
    ),
    (
        13,
        "CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t",
        "ALTER VIEW v ALTER a SET DEFAULT 7",
        "view-as-expected",
        "public.v",
    ),
    (
        13,
        "CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int)",
        "DROP AGGREGATE g (int); CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int, SSPACE = 9)",
        "function-as-expected",
        "public.g(integer)",
    ),
    (
        13,
        "CREATE TYPE c AS (a int); CREATE TABLE t OF c",
        "ALTER TABLE t NOT OF",
        "table-as-expected",
        "public.t",
    ),
    (
        14,
        "CREATE TABLE t (a int); CREATE INDEX i ON t (a)",
        "DROP INDEX i; CREATE INDEX i ON t USING brin (a int4_bloom_ops)",
        "index-as-expected",
        "public.t.i",
    ),
    (
        14,
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
        "function-as-expected",
        "public.f()",
    ),
    (
        14,
        "CREATE TYPE m AS RANGE (SUBTYPE = date)",
        "DROP TYPE m; CREATE TYPE m AS RANGE (SUBTYPE = date, MULTIRANGE_TYPE_NAME = ms)",
        "type-as-expected",
        "public.m",
    ),
    (
        15,
        "CREATE SEQUENCE s",
        "ALTER SEQUENCE s SET UNLOGGED",
        "sequence-as-expected",
        "public.s",
    ),
    (
        15,
        "CREATE UNLOGGED SEQUENCE s",
        "ALTER SEQUENCE s SET LOGGED",
        "sequence-as-expected",
        "public.s",
    ),
    (
        15,
        "CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY)",
        "ALTER SEQUENCE t_a_seq SET UNLOGGED",
        "column-as-expected",
        "public.t.a",
    ),
    (
        15,
        "CREATE UNLOGGED TABLE t (a serial)",
        "ALTER SEQUENCE t_a_seq SET LOGGED",
        "column-as-expected",
        "public.t.a",
    ),
    (
        15,
        "CREATE TABLE t (a int UNIQUE)",
        "ALTER TABLE t DROP CONSTRAINT t_a_key; ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a)",
        "unique-as-expected",
        "public.t.t_a_key",
    ),
    (
        15,
        "CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t",
        "ALTER VIEW v SET (security_invoker = true)",
        "view-as-expected",
        "public.v",
    ),
    (
        17,
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)",
        "ALTER TABLE t ALTER b SET EXPRESSION AS (a + 2)",
        "column-as-expected",
        "public.t.b",
    ),
    (
        17,
        "CREATE DOMAIN d AS int NOT NULL",
        "ALTER DOMAIN d RENAME CONSTRAINT d_not_null TO x",
        "domain-as-expected",
        "public.d",
    ),
    (
        18,
        NOT_NULL,
        "ALTER TABLE t ALTER a DROP NOT NULL; INSERT INTO t VALUES (NULL);
         ALTER TABLE t ADD CONSTRAINT t_a_not_null NOT NULL a NOT VALID",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT x NOT NULL a NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT x",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        NOT_NULL,
        "ALTER TABLE t ALTER CONSTRAINT t_a_not_null NO INHERIT",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        "CREATE TABLE t (a int CONSTRAINT x NOT NULL NO INHERIT)",
        "ALTER TABLE t ALTER CONSTRAINT x INHERIT",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        NOT_NULL,
        "ALTER TABLE t RENAME CONSTRAINT t_a_not_null TO x",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        "CREATE TABLE t (a int CONSTRAINT x NOT NULL); CREATE TABLE u () INHERITS (t)",
        "ALTER TABLE t RENAME CONSTRAINT x TO y",
        "column-as-expected",
        "public.t.a",
    ),
    (
        18,
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)",
        "ALTER TABLE t DROP b; ALTER TABLE t ADD b int GENERATED ALWAYS AS (a + 1) VIRTUAL",
        "column-as-expected",
        "public.t.b",
    ),
    (
        18,
        "CREATE TABLE t (a int CONSTRAINT x CHECK (a > 0))",
        "ALTER TABLE t DROP CONSTRAINT x; ALTER TABLE t ADD CONSTRAINT x CHECK (a > 0) NOT ENFORCED",
        "check-as-expected",
        "public.t.x",
    ),
    (
        18,
        "CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int CONSTRAINT x REFERENCES p)",
        "ALTER TABLE t ALTER CONSTRAINT x NOT ENFORCED",
        "foreign-key-as-expected",
        "public.t.x",
    ),
    (
        18,
        "CREATE TABLE t (a int4range, during daterange, CONSTRAINT x UNIQUE (a, during))",
        "ALTER TABLE t DROP CONSTRAINT x;
         ALTER TABLE t ADD CONSTRAINT x UNIQUE (a, during WITHOUT OVERLAPS)",
        "unique-as-expected",
        "public.t.x",
    ),
    (
        18,
        "CREATE TABLE p (a int4range, d daterange, UNIQUE (a, d WITHOUT OVERLAPS));
         CREATE TABLE t (a int4range, d daterange,
             CONSTRAINT x FOREIGN KEY (a, PERIOD d) REFERENCES p (a, PERIOD d))",
        "ALTER TABLE t DROP CONSTRAINT x; ALTER TABLE t ADD CONSTRAINT x
             FOREIGN KEY (a, PERIOD d) REFERENCES p (a, PERIOD d) NOT VALID",
        "foreign-key-as-expected",
        "public.t.x",
    ),
    (
        18,
        "CREATE TABLE m (a int NOT NULL) PARTITION BY RANGE (a);
         CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (9)",
        "ALTER TABLE m RENAME CONSTRAINT m_a_not_null TO x",
        "column-as-expected",
        "public.m.a",
    ),
    (
        18,
        NOT_NULL,
        "ALTER TABLE t ADD CONSTRAINT x NOT NULL b NOT VALID",
        "column-as-expected",
        "public.t.b",
    ),
    (
        13,
        NOT_NULL,
        "ALTER TABLE t ALTER a DROP NOT NULL",
        "column-as-expected",
        "public.t.a",
    ),
];

#[test]
fn each_change_that_the_major_knows_is_one_finding() {
    let server = Server::shared();
    let major = server.major();
    let mut tried = 0;
    for (since, deployed, by_hand, kind, subject) in CHANGES {
        if since > major {
            println!("PostgreSQL {major} does not know: {by_hand}");
            continue;
        }
        tried += 1;
        let name = server.create_database();
        let mut client = server.connect(&name);
        let mut run = |ddl: &str| {
            client
                .batch_execute(ddl)
                .unwrap_or_else(|error| panic!("{ddl}: {error:?}"));
            read(&mut client)
        };
        let (expected, actual) = (run(deployed), run(by_hand));
        let found = diff(&expected, &actual);
        assert_eq!(found.len(), 1, "{deployed} | {by_hand}\n{found:#?}");
        let (id, about) = (found[0].kind.id, found[0].subject.as_str());
        assert_eq!((id, about), (kind, subject), "{by_hand}");
        assert_ne!(digest(&expected), digest(&actual), "{by_hand}");
        let back = Schema::from_toml(&actual.to_toml().unwrap()).unwrap();
        assert_eq!(back, actual, "{by_hand}");
        let back = Schema::from_json(&actual.to_json().unwrap()).unwrap();
        assert_eq!(back, actual, "{by_hand}");
    }
    let known = CHANGES.iter().filter(|change| change.0 <= major).count();
    assert!(tried == known && tried >= 10);
}

/// What differs from PostgreSQL's own making in each property that was not always read.
const DETAILED: &str = "CREATE TYPE c AS (x text COLLATE \"C\");
    CREATE TYPE r AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
    CREATE TABLE t OF c;
    CREATE VIEW v AS SELECT x FROM t; ALTER VIEW v ALTER x SET DEFAULT 'a';
    CREATE AGGREGATE g (int) (SFUNC = int4pl, STYPE = int, SSPACE = 9);
    CREATE SEQUENCE s;";

#[test]
fn what_an_older_record_was_not_asked_for_is_no_difference() {
    let major = Server::shared().major();
    let mut ddl = DETAILED.to_owned();
    if major >= 15 {
        ddl.push_str("ALTER SEQUENCE s SET UNLOGGED; ");
    }
    if major >= 17 {
        ddl.push_str("CREATE DOMAIN d AS int CONSTRAINT x NOT NULL; ");
    }
    if major >= 18 {
        ddl.push_str("CREATE TABLE n (a int CONSTRAINT x NOT NULL NO INHERIT); ");
    }
    let now = schema_of(&ddl);
    // As it was written before these were read.
    let old = format!(
        r#"{{"format":"lockstep-schema/1","engine":"postgres","server_major":{major},"schemas":["public"],
        "tables":{{"public.t":{{"columns":{{"x":{{"type":"text","collation":"C"}}}}}}{n}}},
        "views":{{"public.v":{{"definition":{view}}}}},
        "functions":{{"public.g(integer)":{{"definition":"AGGREGATE (SFUNC = int4pl(integer,integer), STYPE = integer)"}}}},
        "sequences":{{"public.s":{{"definition":"bigint"}}}}{d},
        "types":{{"public.c":{{"definition":"(x text)"}},"public.r":{{"definition":{range}}}}}}}"#,
        view = serde_json::json!(now.views["public.v"].definition),
        range = serde_json::json!(now.types["public.r"].definition),
        n = match major {
            18.. => r#","public.n":{"columns":{"a":{"type":"integer","not_null":true}}}"#,
            _ => "",
        },
        d = match major {
            17.. => r#","domains":{"public.d":{"type":"integer","not_null":true}}"#,
            _ => "",
        },
    );
    let old = Schema::from_json(&old).unwrap();
    assert_eq!(old.reading, 1);
    assert_eq!(diff(&old, &now), []);
    assert_eq!(diff(&now, &old), []);
    // They were read and are not there: a difference each, the table's and the view's too.
    let plain = Schema {
        reading: now.reading,
        ..old
    };
    let found = diff(&plain, &now).len();
    let since = [15, 17, 18].iter().filter(|since| major >= **since).count();
    assert_eq!(found, 5 + since);
}

#[test]
fn what_the_older_of_two_servers_does_not_have_is_not_compared() {
    let now = schema_of(
        "CREATE TYPE r AS RANGE (SUBTYPE = date); CREATE SEQUENCE s;
         CREATE TABLE t (a int NOT NULL); CREATE DOMAIN d AS int NOT NULL",
    );
    let mut before = now.clone();
    before.server_major = Some(13);
    before.types.get_mut("public.r").unwrap().definition = "RANGE (SUBTYPE = date)".to_owned();
    let mut later = now;
    later.server_major = Some(18);
    later.sequences.get_mut("public.s").unwrap().unlogged = true;
    let column = later.tables.get_mut("public.t").unwrap();
    let column = column.columns.get_mut("a").unwrap();
    column.not_null_name = Some("x".to_owned());
    later.domains.get_mut("public.d").unwrap().not_null_name = Some("x".to_owned());
    assert_eq!(diff(&before, &later), []);
    // That rows may hold NULL is no matter of the version.
    let column = later.tables.get_mut("public.t").unwrap();
    let column = column.columns.get_mut("a").unwrap();
    column.not_null_state = Some("NOT VALID".to_owned());
    assert_eq!(diff(&before, &later).len(), 1);
}
