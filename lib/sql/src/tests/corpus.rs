//! Statements as migrations have them: each is read without a fault, and no engine's syntax is
//! refused for want of it here.

use postgres::error::SqlState;

use super::rules::violations;
use crate::Dialect::{self, Postgres, Sqlite};
use crate::{Before, directives, hindrances, parse, tables_touched, token_digest};

const SQLITE: &str = include_str!("corpus/sqlite.sql");
const POSTGRES: &str = include_str!("corpus/postgres.sql");

fn texts(corpus: &str) -> impl Iterator<Item = &str> {
    corpus.trim_end().split("\n---\n")
}

/// What PostgreSQL 17 and 18 added; an older server refuses it.
const POSTGRES_17_18: &str = include_str!("corpus/postgres_17_18.sql");

#[track_caller]
fn check_read(dialect: Dialect, corpus: &str) {
    let faults: Vec<String> = texts(corpus)
        .filter_map(|sql| {
            let script = parse(dialect, sql);
            let fault = !script.errors.is_empty() || script.statements.is_empty();
            fault.then(|| format!("{sql}\n    {:?}", script.errors))
        })
        .collect();
    assert!(faults.is_empty(), "{dialect:?}\n{}", faults.join("\n"));
}

#[test]
fn sqlite_statements_are_read() {
    check_read(Sqlite, SQLITE);
}

#[test]
fn postgres_statements_are_read() {
    check_read(Postgres, POSTGRES);
    check_read(Postgres, POSTGRES_17_18);
}

/// The corpus is SQLite's own, and not only what the parser takes for it. Statements run in order on
/// one database; what fails there fails for its names or modules, never for its syntax.
#[test]
fn the_sqlite_corpus_is_sqlite() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    for sql in texts(SQLITE) {
        if let Err(error) = db.execute_batch(sql) {
            let text = error.to_string();
            let syntax = ["syntax error", "unrecognized token", "incomplete input"];
            assert!(
                !syntax.iter().any(|word| text.contains(word)),
                "{sql}\n    {text}"
            );
        }
    }
}

#[test]
fn the_postgres_corpus_is_postgres() {
    let server = tests::postgres_server::Server::shared();
    let mut db = server.connect(&server.create_database());
    let mut refused = Vec::new();
    for sql in texts(POSTGRES) {
        db.batch_execute("BEGIN").unwrap();
        let result = db.batch_execute(sql);
        let _ = db.batch_execute("ROLLBACK");
        if let Err(error) = result
            && error.code() == Some(&SqlState::SYNTAX_ERROR)
        {
            refused.push(format!("{sql}\n    {error:?}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Texts cut, doubled and mixed up: reading them ends, whatever comes of it.
#[test]
fn mutilated_texts_are_read_without_a_panic() {
    let mut random = Random(1);
    let rounds = std::env::var("LOCKSTEP_FUZZ_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    for (dialect, corpus) in [(Sqlite, SQLITE), (Postgres, POSTGRES)] {
        let all: Vec<&str> = texts(corpus).collect();
        for _ in 0..rounds {
            for sql in &all {
                let other = all[random.below(all.len())];
                let mutilated = mutilate(sql, other, &mut random);
                read_every_way(dialect, &mutilated);
            }
        }
    }
}

fn read_every_way(dialect: Dialect, sql: &str) {
    let script = parse(dialect, sql);
    for statement in &script.statements {
        assert!(sql.get(statement.range.clone()).is_some(), "{sql:?}");
        assert!(statement.line >= 1);
    }
    hindrances(&script, sql, "lockstep");
    tables_touched(&script);
    violations(dialect, &Before::default(), &[sql, sql]);
    directives(dialect, sql);
    token_digest(dialect, sql);
}

fn mutilate(sql: &str, other: &str, random: &mut Random) -> String {
    const SCRAPS: [&str; 24] = [
        "'", "\"", "$$", "$a$", "/*", "*/", "--", ";", "(", ")", "[", "]", ".", ",", "::", "\\",
        "é", "\0", "\u{feff}", "\r", "\n", "BEGIN ", "END ", "0x",
    ];
    let mut text: Vec<char> = sql.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(text.len() + 1);
        match random.below(4) {
            0 => text.truncate(at),
            1 => {
                let end = (at + random.below(12)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let scrap = SCRAPS[random.below(SCRAPS.len())];
                text.splice(at..at, scrap.chars());
            }
            _ => {
                let skip = random.below(other.chars().count());
                let piece: Vec<char> = other.chars().skip(skip).take(20).collect();
                text.splice(at..at, piece);
            }
        }
    }
    text.into_iter().collect()
}

/// Knuth's multiplier (The Art of Computer Programming, 3.3.4): the same texts on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end.max(1)
    }
}
