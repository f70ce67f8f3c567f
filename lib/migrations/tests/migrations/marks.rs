//! Marks that no layout reads, and marks that are nearly right: nothing runs up and down.

use migrations::{Dialect, Layout, compare, discover};

use crate::support::{folder, problems, row, set, set_as};

/// The files of a set that has a failure, each with the line of its mark.
#[track_caller]
fn lines_refused(files: &[(&str, &str)], dialect: Dialect) -> Vec<String> {
    let bytes: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    let set = discover(folder(&bytes).path(), None, dialect).expect("the folder can be listed");
    let state = compare(&set, &[]);
    let all = set.problems.iter().chain(&state.problems);
    all.filter(|problem| problem.is_failure())
        .map(|problem| format!("{}:{}", problem.subject(), problem.line.unwrap_or_default()))
        .collect()
}

#[track_caller]
fn check_refused(up: &str, down: &str) {
    let text = format!("{up}\ncreate table a (x integer);\n{down}\ndrop table a;\n");
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let refused = lines_refused(&[("1_a.sql", &text)], dialect);
        assert!(!refused.is_empty(), "{dialect:?} {text}");
    }
}

#[track_caller]
fn check_prose(comment: &str) {
    let text = format!("create table a (x integer);\n{comment}\ndrop table b;\n");
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let refused = lines_refused(&[("1_a.sql", &text)], dialect);
        assert_eq!(refused, [] as [String; 0], "{dialect:?} {comment}");
    }
}

#[test]
fn a_mark_that_is_nearly_right_is_refused() {
    for down in [
        "-- migrate:down;",
        "-- migrate: down",
        "-- migrate :down",
        "-- migrate : down",
        "--- migrate:down",
        "-- migrate:donw",
        "-- migrate:dow",
        "-- migrate:downn",
        "-- migrate:rollback",
        "-- MIGRATE:DOWN",
        "-- Migrate:Down",
        "-- migrate down",
        "-- migrate-down",
        "-- migrate_down",
        "-- migrate/down",
        "-- migrate=down",
        "-- migrate\u{ff1a}down",
        "-- \u{200b}migrate:down",
        "-- migr\u{430}te:down",
        "-- mirgate:down",
        "-- migrates:down",
        "-- migrate: down transaction:false",
        "-- migrate:undo",
        "-- -- migrate:down",
        "  -- migrate:down",
        "--\tmigrate: down",
        "/* migrate:down */",
        "/*\nmigrate:down\n*/",
        "# migrate:down",
        "select 1; -- migrate:down",
    ] {
        check_refused("-- migrate:up", down);
        check_refused("", down);
    }
    for down in [
        "-- goose Down",
        "-- + goose Down",
        "-- +gose Down",
        "-- +goose: Down",
        "-- ++goose Down",
        "-- +goose Dwon",
        "-- +goose_down",
        "-- goose:down",
        "--- +goose Down",
        "/* +goose Down */",
        "-- +goose Down now",
    ] {
        check_refused("-- +goose Up", down);
        check_refused("", down);
    }
    for (up, down) in [
        ("-- migrate: up", "-- migrate: down"),
        ("-- MIGRATE:UP", "-- MIGRATE:DOWN"),
        ("-- goose Up", "-- goose Down"),
        ("/* migrate:up */", "/* migrate:down */"),
    ] {
        check_refused(up, down);
    }
}

#[test]
fn a_mark_of_a_tool_that_is_not_read_is_refused() {
    for (up, down) in [
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- +MIGRATE UP", "--+migrate DOWN"),
        (
            "-- +migrate Up notransaction",
            "-- +migrate Down notransaction",
        ),
        ("-- +micrate Up", "-- +micrate Down"),
        ("-- +mig Up", "-- +mig Down"),
        ("-- +up", "-- +down"),
        ("-- Up Migration", "-- Down Migration"),
        ("--up migration", "---- down   migration"),
        ("-- rambler up", "-- rambler down"),
        ("", "---- create above / drop below ----"),
        ("", "-- create above, drop below"),
        ("-- ==== UP ====", "-- ==== DOWN ===="),
        ("# --- !Ups", "# --- !Downs"),
        ("--- !Ups", "--- !Downs"),
        ("-- !ups", "-- !downs"),
        ("-- // first", "-- //@UNDO"),
        ("", "--//@undo"),
        ("-- migrate: apply", "-- migrate: rollback"),
        ("-- Up", "-- Down"),
        ("--up", "--down"),
        ("-- UP:", "-- DOWN:"),
        ("-- @up", "-- @down"),
        ("-- [up]", "-- [down]"),
        ("-- <<< up >>>", "-- <<< down >>>"),
        ("/* up */", "/* down */"),
        ("", "-- rollback"),
        ("", "-- ROLLBACK SECTION"),
        ("", "-- roll back"),
        ("", "-- revert"),
        ("", "-- undo script"),
        ("-- Up", "-- Down: drops the table again"),
        ("-- Up", "-- Donw"),
        ("-- UP", "-- ROLBACK"),
        ("-- Up", "-- Rever"),
        ("-- db:up", "-- db:down"),
        (
            "--liquibase formatted sql",
            "--changeset anna:2 context:test",
        ),
        ("-- liquibase formatted SQL", ""),
        ("--Liquibase Formated SQL", ""),
        ("--changeset anna:1 labels:x runOnChange:true", ""),
        ("--preconditions onFail:MARK_RAN onError:HALT", ""),
        ("--precondition-sql-check expectedResult:0 select 1", ""),
        ("--ignoreLines:start", "--ignoreLines:end"),
        ("", "-- Revert shop:first from pg"),
        ("-- atlas:txmode none", ""),
        ("-- atlas:checkpoint", ""),
        ("-- atlas:txtar", ""),
        ("---- tern: disable-tx ----", ""),
        ("--! no-transaction", ""),
        ("--!include other.sql", ""),
        ("-- :disable-transaction", ""),
        ("-- supabase:disable-transaction", ""),
        ("-- transactional: false", ""),
        ("-- depends: 0001_first", ""),
        ("--no-transaction", ""),
        ("-- No Transaction", ""),
        ("\n-- no-transaction", ""),
        ("-- flyway:executeInTransaction=false", ""),
    ] {
        check_refused(up, down);
    }
}

#[test]
fn prose_is_no_mark() {
    for comment in [
        "-- migrate the users up to v2",
        "-- migrate: the users go up to v2",
        "-- migrate: up to 100 rows at a time",
        "-- migrate users down the tree",
        "-- Migrated from the old schema",
        "-- goose feathers go down",
        "-- + migrate the users up",
        "-- +1 for this",
        "-- up to here everything is new",
        "-- down the line this goes away",
        "-- upgrade the plans of old customers",
        "-- rollback is not possible: the rows are gone",
        "-- revert the change of 0003 for old customers",
        "-- undo what 0003 did to prices",
        "-- the changeset is small: two tables",
        "-- liquibase used to run this",
        "-- Sqitch: none",
        "-- property of the shop",
        "-- depends on 0001_first",
        "-- atlas:nolint destructive",
        "--> statement-breakpoint",
        "--bun:split",
        "--;;",
        "--! Previous: sha1:0e68",
        "-- Deploy shop:first to pg",
        "/*+ SeqScan(a) */",
        "-- see http://example.org/up:down",
        "-- transaction: the runner's own",
        "-- name: up",
        "-- ====================",
        "/* a\n * block of prose\n */",
    ] {
        check_prose(comment);
    }
    // In company of a mark too.
    for comment in [
        "-- own tables",
        "-- rollback is not possible",
        "-- undo what 0003 did",
    ] {
        let text = format!("-- Up\ncreate table a (x);\n{comment}\ncreate table b (x);\n");
        assert_eq!(
            lines_refused(&[("1_a.sql", &text)], Dialect::Sqlite),
            [] as [String; 0]
        );
    }
    // A word inside a statement is no heading.
    for text in [
        "create table a (\n  x text, -- up\n  -- down\n  y text\n);\nselect 1;\n",
        "select '\n', -- down\n1;\nselect 2;\n",
    ] {
        assert_eq!(
            lines_refused(&[("1_a.sql", text)], Dialect::Postgres),
            [] as [String; 0]
        );
    }
    let body = "create function f() returns void language plpgsql as $$ begin\n  -- rollback\n  \
                null;\nend $$;\nselect 1;\n";
    assert_eq!(
        lines_refused(&[("1_a.sql", body)], Dialect::Postgres),
        [] as [String; 0]
    );
}

#[test]
fn a_part_that_reverts_and_is_commented_out_does_no_harm() {
    for text in [
        "-- Up\ncreate table a (x);\n-- Down\n-- drop table a;\n",
        "-- Up Migration\ncreate table a (x);\n-- Down Migration\n",
        "create table a (x);\n-- ===== DOWN =====\n/* drop table a; */\n",
        "create table a (x);\n-- rollback: drop table a;\n",
        "create table a (x);\n--rollback drop table a;\n",
    ] {
        assert_eq!(
            lines_refused(&[("1_a.sql", text)], Dialect::Sqlite),
            [] as [String; 0],
            "{text}"
        );
    }
}

#[test]
fn the_problem_says_where_and_what_to_write() {
    let text = "-- migrate:up\ncreate table a (x);\n-- migrate: down\ndrop table a;\n\
                -- migrate:down\n";
    let set = set(&[("1_a.sql", text)]);
    assert_eq!(set.layout, Layout::Dbmate);
    let problem = compare(&set, &[]).problems.remove(0);
    assert_eq!(
        (problem.line, problem.subject().as_str()),
        (Some(3), "1_a.sql")
    );
    assert_eq!(
        problem.message,
        "has a line that is nearly a mark of dbmate, and would be a comment"
    );
    assert_eq!(problem.expected.as_deref(), Some("-- migrate:down"));
    assert_eq!(problem.actual.as_deref(), Some("-- migrate: down"));
}

#[test]
fn an_applied_file_is_left_alone() {
    let files = [(
        "1_a.sql",
        "-- +migrate Up\ncreate table a (x);\n-- +migrate Down\ndrop table a;\n",
    )];
    let set = set(&files);
    assert_eq!(compare(&set, &[]).problems.len(), 1);
    assert_eq!(
        problems(&compare(&set, &[row(&set, "1")]).problems),
        [] as [String; 0]
    );
}

#[test]
fn a_folder_of_another_tool_is_one_problem() {
    let names: Vec<String> = (1..=40).map(|n| format!("{n}_a.sql")).collect();
    let marked: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "-- +migrate Up\nselect 1;\n"))
        .collect();
    let state = compare(&set(&marked), &[]);
    assert_eq!(
        problems(&state.problems),
        [
            "!layout-kept 1_a.sql:1: has a line that sql-migrate takes for a mark (`-- +migrate Up`), and that is a \
          comment in the layout plain (so have 40 files: 1_a.sql, 2_a.sql, 3_a.sql, …)"
        ]
    );
}

#[test]
fn a_folder_that_fits_no_layout_is_one_problem() {
    for (ending, looks) in [
        (
            " first.sql",
            "; they look like a number and a name with a blank between them",
        ),
        (
            "-first-up.sql",
            "; they look like db-migrate's <time>-name-up.sql and -down.sql",
        ),
        (
            ".do.first.sql",
            "; they look like Postgrator's 001.do.name.sql",
        ),
        (
            "_first.SQL",
            "; they look like migrations with their ending in capitals",
        ),
        ("first.sql", ""),
    ] {
        let names: Vec<String> = (100..400).map(|n| format!("{n}{ending}")).collect();
        let files: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), "select 1;"))
            .collect();
        let set = set(&files);
        let [a, b, c] = [&names[0], &names[1], &names[2]];
        assert_eq!(
            problems(&set.problems),
            [format!(
                "!names-fit migrations: none of 300 files has a name of a layout: {a}, {b}, {c}, …{looks}"
            )]
        );
        assert_eq!(set.ignored.len(), 300);
    }
    // Where one fits, each that does not is named.
    let set = set_as(
        &[
            ("1_a.sql", "select 1"),
            ("2 b.sql", ""),
            ("3 c.sql", ""),
            ("4 d.sql", ""),
            ("5 e.sql", ""),
        ],
        None,
    )
    .unwrap();
    assert_eq!(set.problems.len(), 4);
}

#[test]
fn a_long_line_is_looked_at_once() {
    // A comment may begin at each of its dashes; each read to the end of the line would take hours.
    for text in ["a -- ", "a /* b ", "'' -- "] {
        let line = format!("-- {}\nselect 1;\n", text.repeat(400_000));
        assert_eq!(
            lines_refused(&[("1_a.sql", &line)], Dialect::Sqlite),
            [] as [String; 0]
        );
    }
}
