use crate::Dialect::{self, Postgres, Sqlite};
use crate::{is_empty, token_digest};

const BOTH: [Dialect; 2] = [Sqlite, Postgres];

#[track_caller]
fn check_same(dialects: &[Dialect], a: &str, b: &str) {
    for dialect in dialects {
        let digest = token_digest(*dialect, a);
        assert!(digest.is_some(), "{dialect:?} {a:?}");
        assert_eq!(digest, token_digest(*dialect, b), "{dialect:?} {a:?} {b:?}");
    }
}

#[track_caller]
fn check_differ(dialects: &[Dialect], a: &str, b: &str) {
    for dialect in dialects {
        let digest = token_digest(*dialect, a);
        assert!(digest.is_some(), "{dialect:?} {a:?}");
        assert_ne!(digest, token_digest(*dialect, b), "{dialect:?} {a:?} {b:?}");
    }
}

#[test]
fn layout_does_not_count() {
    check_same(
        &BOTH,
        "CREATE TABLE t(a int);",
        "CREATE TABLE t (\r\n\ta int\r\n) ;\r\n",
    );
    check_same(&BOTH, "\u{feff}SELECT 1;", "SELECT 1;");
    check_same(&BOTH, "SELECT 1; -- a", "-- b\nSELECT /* c */ 1;");
    check_same(&BOTH, "", "\r\n-- nothing\r\n/* at all */");
    check_same(&[Postgres], "SELECT /* a /* b */ c */ 1", "SELECT 1");
    check_same(&[Postgres], "SELECT 1 -- a\r+ 1", "SELECT 1 + 1");
    check_same(&[Postgres], "SELECT a<-1", "SELECT a < -1");
    check_same(&[Postgres], "SELECT 2*-3", "SELECT 2 * - 3");
    check_same(&[Postgres], "SELECT a::int", "SELECT a :: int");
    check_same(
        &[Postgres],
        "DO $$\nBEGIN\n  NULL;\nEND $$;",
        "DO $$\r\nBEGIN\r\n  NULL;\r\nEND $$;",
    );
    for code in ["DO LANGUAGE sql $$\n$$", "CREATE FUNCTION f() AS '\n'"] {
        check_same(&[Postgres], code, &code.replace('\n', "\r\n"));
    }
}

#[test]
fn everything_else_counts() {
    check_differ(&BOTH, "-- x\nDROP TABLE t;", "-- xDROP TABLE t;");
    check_differ(&BOTH, "SELECT 'a b'", "SELECT 'a  b'");
    check_differ(&BOTH, "SELECT '--a'", "SELECT '--b'");
    check_differ(&BOTH, "SELECT 'a\nb'", "SELECT 'a\r\nb'");
    check_differ(&BOTH, "SELECT 'a\nb'", "SELECT 'a\rb'");
    check_differ(&BOTH, "SELECT 1 AS \"a\nb\"", "SELECT 1 AS \"a\r\nb\"");
    check_differ(&[Sqlite], "SELECT 1 AS 'a\nb'", "SELECT 1 AS 'a\r\nb'");
    check_differ(&[Sqlite], "SELECT [a\nb]", "SELECT [a\r\nb]");
    check_differ(&[Postgres], "SELECT $$a\nb$$", "SELECT $$a\r\nb$$");
    check_differ(&[Postgres], "SELECT E'a\nb'", "SELECT E'a\r\nb'");
    check_differ(&BOTH, "SELECT a", "SELECT A");
    check_differ(&BOTH, "SELECT a", "SELECT \"a\"");
    check_differ(&BOTH, "SELECT 1 - -1", "SELECT 1 --1");
    check_differ(&BOTH, "SELECT 1", "SELECT 1;");
    check_differ(&BOTH, "SELECT 'a', 'b'", "SELECT 'a' 'b'");
    check_differ(&BOTH, "SELECT ab", "SELECT a b");
    check_differ(&BOTH, "SELECT a > = b", "SELECT a >= b");
    check_differ(&[Sqlite], "SELECT x'00'", "SELECT x '00'");
    check_differ(&[Sqlite], "SELECT ?1", "SELECT 1");
    check_differ(&[Postgres], "SELECT a @ -b", "SELECT a @- b");
    check_differ(&[Postgres], "DO $$ NULL; -- a\n$$", "DO $$ NULL; -- b\n$$");
    check_differ(&[Postgres], "SELECT $a$ x $a$", "SELECT $b$ x $b$");
}

#[test]
fn the_dialects_differ() {
    assert_ne!(
        token_digest(Sqlite, "SELECT 1"),
        token_digest(Postgres, "SELECT 1")
    );
}

#[test]
fn what_has_no_tokens_has_no_digest() {
    for sql in [
        "SELECT 'a",
        "SELECT \"a",
        "/* a",
        "SELECT 1\0",
        "-- a\0b\nSELECT 1",
        "SELECT 'a\0'",
    ] {
        for dialect in BOTH {
            assert_eq!(token_digest(dialect, sql), None, "{dialect:?} {sql:?}");
        }
    }
    assert_eq!(token_digest(Postgres, "DO $$ BEGIN"), None);
    assert_eq!(token_digest(Postgres, "/* /* */"), None);
    assert_eq!(token_digest(Sqlite, "SELECT [a"), None);
}

#[test]
fn client_lines_and_copy_data_count_as_they_stand() {
    let copy = "COPY t (a) FROM stdin;\n1 -- one\n\\.\nSELECT 1;\n";
    check_differ(&[Postgres], copy, &copy.replace("-- one", "-- two"));
    check_same(&[Postgres], copy, &copy.replace('\n', "\r\n"));
    check_same(
        &[Postgres],
        copy,
        &copy.replace("SELECT 1;", "SELECT 1; -- a"),
    );
    let unbalanced = "COPY t FROM STDIN WITH (FORMAT csv);\nit's\n\\.\nSELECT 1;\n";
    assert!(token_digest(Postgres, unbalanced).is_some());
    check_differ(
        &[Postgres],
        "\\echo a -- b\nSELECT 1",
        "\\echo a -- c\nSELECT 1",
    );
    check_differ(
        &[Sqlite],
        ".print a -- b\nSELECT 1",
        ".print a -- c\nSELECT 1",
    );
}

#[test]
fn the_digest_is_pinned() {
    // Ledgers hold these values: a change of them is a change of the scheme's name.
    let hex = |dialect| -> String {
        let digest = token_digest(dialect, "CREATE TABLE t (a int); -- a")
            .unwrap()
            .current;
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(
        hex(Sqlite),
        "2f9a8feca478bf3d57a3b9cc75edf111c1b40cbcb07244085c0891572c41beb1"
    );
    assert_eq!(
        hex(Postgres),
        "f55709add20944f6e6f58b3e2f1475812c71b30a1a65973bb8f22891c3cf7ef9"
    );
}

#[test]
fn what_an_older_ledger_has_is_still_the_same_text() {
    let text = |hex: &str| -> [u8; 32] {
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    };
    // As the scheme before wrote them.
    for (dialect, recorded) in [
        (
            Sqlite,
            "b256eea2239f6cabdfd5f195ed014b9d09ca29ec1991b491bf546e00c51cd22e",
        ),
        (
            Postgres,
            "70d24555a4aa0e85260149522ca1039fb3e65f1fdffc0072c9626f3d22bf3990",
        ),
    ] {
        let is = |sql| token_digest(dialect, sql).unwrap().is(&text(recorded));
        assert!(is("CREATE TABLE t (a int);"));
        assert!(is("CREATE TABLE t (a int); -- b\r\n"));
        assert!(!is("CREATE TABLE t (b int);"));
    }
    // What is written today is compared as it is.
    for dialect in BOTH {
        let lf = token_digest(dialect, "SELECT 'a\nb'").unwrap();
        let crlf = token_digest(dialect, "SELECT 'a\r\nb'").unwrap();
        assert!(!lf.is(&crlf.current) && !crlf.is(&lf.current));
    }
}

#[test]
fn empty_means_no_statement() {
    for dialect in BOTH {
        for sql in ["", "\u{feff}", " \r\n", "-- a", "/* a */ ;; -- b"] {
            assert!(is_empty(dialect, sql), "{dialect:?} {sql:?}");
        }
        for sql in ["SELECT 1", "'", "-- a\nx"] {
            assert!(!is_empty(dialect, sql), "{dialect:?} {sql:?}");
        }
    }
}
