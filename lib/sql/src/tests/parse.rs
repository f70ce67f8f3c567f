use crate::Dialect::{self, Postgres, Sqlite};
use crate::{Kind, parse};

/// Statements are "line kind text", faults "line: message".
#[track_caller]
fn check(dialect: Dialect, sql: &str, statements: &[&str], errors: &[&str]) {
    let script = parse(dialect, sql);
    let found: Vec<String> = script
        .statements
        .iter()
        .map(|found| {
            format!(
                "{} {:?} {}",
                found.line,
                found.kind,
                &sql[found.range.clone()]
            )
        })
        .collect();
    assert_eq!(found, statements, "{dialect:?} {sql:?}");
    let found: Vec<String> = script
        .errors
        .iter()
        .map(|error| format!("{}: {}", error.line, error.message))
        .collect();
    assert_eq!(found, errors, "{dialect:?} {sql:?}");
}

#[test]
fn statements_have_their_text_and_line() {
    for dialect in [Sqlite, Postgres] {
        check(dialect, "", &[], &[]);
        check(dialect, "-- a\r\n/* b */\n;;\n", &[], &[]);
        check(
            dialect,
            "\u{feff}-- a\r\nSELECT 1 ; -- b\r\n\r\n/* c */ INSERT INTO t\r\nVALUES ('é;');;\r\nSELECT 2 -- d",
            &[
                "2 Query SELECT 1",
                "4 Data INSERT INTO t\r\nVALUES ('é;')",
                "6 Query SELECT 2",
            ],
            &[],
        );
        check(
            dialect,
            "SELECT 1;SELECT 2",
            &["1 Query SELECT 1", "1 Query SELECT 2"],
            &[],
        );
    }
    check(
        Sqlite,
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END; DROP VIEW v;",
        &[
            "1 Definition CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END",
            "1 Definition DROP VIEW v",
        ],
        &[],
    );
    check(
        Postgres,
        "DO $$ BEGIN NULL; END $$;\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        &[
            "1 Code DO $$ BEGIN NULL; END $$",
            "2 Definition CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
        ],
        &[],
    );
}

#[test]
fn kinds() {
    for (dialect, sql, kind) in [
        (Postgres, "BEGIN", Kind::Transaction),
        (Postgres, "SET a = 1", Kind::Session),
        (Postgres, "VACUUM", Kind::Maintenance),
        (Postgres, "COMMENT ON TABLE t IS 'a'", Kind::Definition),
        (Postgres, "COPY t FROM '/a'", Kind::Data),
        (Sqlite, "PRAGMA user_version", Kind::Session),
        (Sqlite, "SAVEPOINT a", Kind::Transaction),
        (Sqlite, "ANALYZE", Kind::Maintenance),
        (Sqlite, "EXPLAIN DELETE FROM t", Kind::Query),
    ] {
        assert_eq!(parse(dialect, sql).statements[0].kind, kind, "{sql}");
    }
}

#[test]
fn what_can_not_be_read_is_said_and_what_follows_is_read() {
    for dialect in [Sqlite, Postgres] {
        let script = parse(dialect, "SELECT 1;\nSELEC\n2;\nSELECT 3;");
        assert_eq!(script.errors.len(), 1, "{dialect:?}");
        assert_eq!(script.errors[0].line, 2, "{dialect:?}");
        let last = script.statements.last().unwrap();
        assert_eq!((last.line, last.kind), (4, Kind::Query), "{dialect:?}");
    }
    check(
        Sqlite,
        "CREATE TABLE t (a,\n  b !);\nSELECT 1;",
        &[],
        &["2: a ! without ="],
    );
    check(
        Sqlite,
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN\n  DELET FROM u;\n  DELETE FROM u;\nEND;\nSELECT 1;",
        &["5 Query SELECT 1"],
        &["2: near \"DELET\": syntax error"],
    );
    check(Sqlite, "SELECT (1", &[], &["1: unexpected end of input"]);
    check(
        Postgres,
        "SELECT 1;\nCREATE TABLE t (id int AUTO_INCREMENT,\n a int,\n b int);\nSELECT 2;",
        &[
            "1 Query SELECT 1",
            "2 Definition CREATE TABLE t (id int AUTO_INCREMENT,\n a int,\n b int)",
            "5 Query SELECT 2",
        ],
        &["2: near \"AUTO_INCREMENT,\": expected COMMA"],
    );
    check(
        Postgres,
        "DO $$\nBEGIN\n  NULL NULL;\nEND $$;",
        &["1 Code DO $$\nBEGIN\n  NULL NULL;\nEND $$"],
        &["3: near \"NULL NULL;\": expected a statement, got NULL_KW"],
    );
}

#[test]
fn a_fault_of_the_lexer_ends_the_reading() {
    for dialect in [Sqlite, Postgres] {
        check(
            dialect,
            "SELECT 1;\nSELECT 'a;\nDROP TABLE t;",
            &["1 Query SELECT 1"],
            &["2: a quote is not closed"],
        );
        // The engines read no further than a NUL, wherever it stands.
        check(
            dialect,
            "SELECT 1;\n-- \0\nDROP TABLE t;",
            &["1 Query SELECT 1"],
            &["2: a NUL byte ends the text here for the engine"],
        );
    }
}

#[test]
fn a_carriage_return_ends_a_comment_where_the_server_says_so() {
    check(
        Postgres,
        "-- a\rDROP TABLE t;",
        &["1 Definition DROP TABLE t"],
        &[],
    );
    let returns = "1: the comment does not end at the carriage return (U+000D) in it, so that \
                   what stands behind it would not run: write line feeds as line ends";
    check(Sqlite, "-- a\rDROP TABLE t;", &[], &[returns]);
    check(
        Sqlite,
        "SELECT 1;\r-- a\rDROP TABLE t;\r",
        &["1 Query SELECT 1"],
        &[&returns.replace("1:", "2:")],
    );
}

#[test]
fn a_vertical_tab_is_no_blank_for_every_server() {
    check(
        Postgres,
        "SELECT 1;\nSELECT 2;\u{b}SELECT 3;",
        &["1 Query SELECT 1", "2 Query SELECT 2"],
        &["2: a vertical tab (U+000B) is no blank"],
    );
    check(
        Postgres,
        "SELECT 'a\u{b}'",
        &["1 Query SELECT 'a\u{b}'"],
        &[],
    );
}

#[test]
fn what_only_an_editor_takes_for_a_line_end_ends_no_comment() {
    for dialect in [Sqlite, Postgres] {
        for end in ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'] {
            let script = parse(dialect, &format!("-- a{end}DROP TABLE t;\nSELECT 1;"));
            assert_eq!(script.errors.len(), 1, "{dialect:?} {end:?}");
            assert!(script.errors[0].message.contains("line end (U+"));
        }
        // Nothing is lost where nothing stands behind it, or another comment, or in a string.
        for text in [
            "-- a\r\r\nSELECT 1;",
            "-- a\u{c}\n\u{c}\nSELECT 1;",
            "-- a\r-- b\u{2028}-- c\nSELECT 1;",
            "-- a\r\nSELECT 1;\r\n",
            "SELECT 'a\rb\u{2028}c';",
            "SELECT 1;\rSELECT 2;\r",
        ] {
            assert_eq!(parse(dialect, text).errors, [], "{dialect:?} {text:?}");
        }
    }
}

#[test]
fn strings_that_the_server_would_read_in_another_way_are_a_fault() {
    let script = parse(
        Postgres,
        "SET standard_conforming_strings = off; SELECT 'a\\'';",
    );
    assert!(!script.errors.is_empty());
    check(
        Postgres,
        "SET standard_conforming_strings = on;",
        &["1 Session SET standard_conforming_strings = on"],
        &[],
    );
    let script = parse(Postgres, "SET standard_conforming_strings TO 'off';");
    assert_eq!(script.errors.len(), 1);
}

#[test]
fn client_lines_and_copy_data_are_no_sql() {
    check(
        Postgres,
        "\\connect app\nCOPY t (a) FROM stdin;\nit's -- (\n\\.\n\nSELECT 1;\n",
        &["2 Data COPY t (a) FROM stdin", "6 Query SELECT 1"],
        &[],
    );
    check(Sqlite, ".mode it's\nSELECT 1;", &["2 Query SELECT 1"], &[]);
}

#[test]
fn a_character_that_nobody_sees_is_named() {
    for (sql, said) in [
        (
            "SELECT 1;\n\u{feff}SELEC 2;",
            "; the line has a byte order mark (U+FEFF) in it",
        ),
        (
            "SELECT 1;\nSELEC\u{a0}T 2;",
            "; the line has a no-break space (U+00A0) in it",
        ),
        ("\u{feff}SELECT 1;\nfoo bar;", ""),
        ("\u{feff}foo bar;", ""),
    ] {
        for dialect in [Sqlite, Postgres] {
            let errors = parse(dialect, sql).errors;
            let message = errors.first().map(|error| error.message.as_str());
            let message = message.unwrap_or_default();
            match said {
                "" => assert!(!message.is_empty() && !message.contains("U+"), "{message}"),
                said => assert!(message.ends_with(said), "{dialect:?} {sql:?} {errors:?}"),
            }
        }
    }
}

#[test]
fn what_the_server_refuses_is_a_fault() {
    let server = tests::postgres_server::Server::shared();
    let mut db = server.connect(&server.create_database());
    for (sql, said) in [
        (
            "ALTER TABLE t",
            "near \"ALTER TABLE t\": ALTER TABLE says no action",
        ),
        (
            "ALTER TABLE IF EXISTS t",
            "near \"ALTER TABLE IF EXISTS t\": ALTER TABLE says no action",
        ),
        (
            "DROP TABLE",
            "near \"DROP TABLE\": DROP TABLE names no table",
        ),
        ("COPY t", "near \"COPY t\": COPY says neither FROM nor TO"),
        (
            "CREATE TABLE t (a int(11))",
            "near \"int(11)\": the type takes no number in parentheses",
        ),
        (
            "ALTER TABLE t ADD a Bigint(20)",
            "near \"Bigint(20)\": the type takes no number in parentheses",
        ),
    ] {
        let errors = parse(Postgres, sql).errors;
        assert_eq!(
            errors.first().map(|error| error.message.as_str()),
            Some(said)
        );
        let refused = db.batch_execute(sql).unwrap_err();
        assert_eq!(
            refused.code(),
            Some(&postgres::error::SqlState::SYNTAX_ERROR),
            "{sql}: {refused:?}"
        );
    }
    for sql in [
        "CREATE TABLE t (a varchar(11), b numeric(8,2), c timestamp(3), d bit(3), e float(3))",
        "COPY t TO '/a'; COPY (SELECT 1) TO '/a'",
        "ALTER TABLE t RENAME TO u; ALTER TABLE t OWNER TO o; ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t SET SCHEMA s; ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
    ] {
        assert_eq!(parse(Postgres, sql).errors, [], "{sql}");
    }
}

#[test]
fn more_columns_than_sqlite_takes_are_not_read() {
    // Read one by one against all before them, these would take longer than anybody waits.
    let names = |count: usize| -> String {
        let names: Vec<String> = (0..count).map(|at| format!("c{at}")).collect();
        names.join(", ")
    };
    let many = names(200_000);
    let typed = many.replace(',', " int CHECK (x > 1),");
    for sql in [
        format!("CREATE TABLE t ({typed})"),
        format!("CREATE TEMP TABLE t (\n{many})"),
        format!("INSERT INTO t ({many}) VALUES (1)"),
        format!("UPDATE t SET ({many}) = (SELECT 1)"),
        format!("CREATE INDEX i ON t ({many})"),
        format!("CREATE VIEW v ({many}) AS SELECT 1"),
        format!("WITH a ({many}) AS (SELECT 1) SELECT 1"),
        format!("INSERT INTO t SELECT 1 ON CONFLICT ({many}) DO NOTHING"),
        format!("SELECT 1; CREATE TABLE t (a, FOREIGN KEY ({many}) REFERENCES p)"),
    ] {
        let script = parse(Sqlite, &sql);
        assert_eq!(script.statements.len(), 0);
        assert_eq!(script.errors.len(), 1);
        assert_eq!(
            script.errors[0].message,
            "a list has more than 2000 columns"
        );
    }
    // As many as it takes, and other lists of any length.
    let most = names(2000);
    for sql in [
        format!("CREATE TABLE t ({most}, CHECK (c1), PRIMARY KEY (c1))"),
        format!("DELETE FROM t WHERE a IN ({})", names(3000)),
        format!("INSERT INTO t VALUES {}", vec!["(a)"; 3000].join(", ")),
        format!("SELECT {}", vec!["f(a, b)"; 1500].join(", ")),
        format!("CREATE TABLE t (a, {})", vec!["CHECK (a)"; 3000].join(", ")),
    ] {
        assert_eq!(parse(Sqlite, &sql).errors, []);
    }
}

#[test]
fn each_of_many_errors_is_named_without_looking_at_the_text_anew() {
    let sql = "CREAT TABLE t (x);\n".repeat(100_000);
    assert_eq!(parse(Sqlite, &sql).errors.len(), 100_000);
}
