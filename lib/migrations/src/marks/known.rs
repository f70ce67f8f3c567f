//! The marks of migration tools, as data: what a tool takes out of a comment.
//!
//! A pattern is made of elements with blanks between them. A word stands for itself, in any case;
//! `goose~` also for what one slip of the keyboard makes of it; a sign for itself. `^:` has no blank
//! before it, `:^` has a word right behind it. `UP` and `DOWN` are the words of `words`, `?` is any
//! word, `..` any number of words, `*` whatever else the line says. Without `*` nothing but
//! signs may follow. Signs that a pattern does not name count nowhere, so that
//! `---- ==== [Down]: ====` is `down`.
//!
//! Known and left out, because a file means the same with and without them: drizzle's
//! `--> statement-breakpoint`, bun's `--bun:split`, migratus' `--;;`, graphile-migrate's
//! `--! Previous:` and `--! Hash:`, Sqitch's `-- Deploy … to pg`, Atlas' `-- atlas:nolint`.

use crate::Layout;

/// How a mark is told from prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nobody writes such a comment by chance: it counts on every line that begins with it, as its
    /// tool reads lines, also inside a string; and behind a statement.
    Unmistakable,
    /// Counts as a comment of its own between two statements.
    Apart,
    /// The same, and only where statements follow: a part that reverts and is empty, or commented
    /// out, does no harm.
    Reverts,
    /// As `Reverts`, where the file has another mark.
    RevertsInCompany,
    /// A heading over the part that applies does no harm. It is company for `RevertsInCompany`.
    Applies,
}

/// A mark of a tool.
pub(super) struct Known {
    pub(super) tool: &'static str,
    /// The layout that reads it, if one does.
    pub(super) layout: Option<Layout>,
    /// As its tool reads it.
    pub(super) written: &'static str,
    pub(super) shape: Shape,
    pub(super) pattern: &'static str,
}

impl Known {
    pub(super) fn reverts(&self) -> bool {
        let words = ["DOWN", "undo~", "downs~", "rollback~"];
        matches!(self.shape, Shape::Reverts | Shape::RevertsInCompany)
            || self.pattern.split(' ').any(|word| words.contains(&word))
    }
}

const fn mark(
    tool: &'static str,
    layout: Option<Layout>,
    written: &'static str,
    shape: Shape,
    pattern: &'static str,
) -> Known {
    Known {
        tool,
        layout,
        written,
        shape,
        pattern,
    }
}

use Shape::{Apart, Applies, Reverts, RevertsInCompany, Unmistakable};

const DBMATE: Option<Layout> = Some(Layout::Dbmate);
const GOOSE: Option<Layout> = Some(Layout::Goose);

/// The first that fits a comment counts.
#[rustfmt::skip] // One mark a line.
pub(super) const KNOWN: &[Known] = &[
    // NRWLDev/pogo-migrate: its migration_sql_template.
    mark("pogo-migrate", None, "-- migrate: rollback", Unmistakable, "migrate~ : rollback~"),
    mark("pogo-migrate", None, "-- migrate: apply", Unmistakable, "migrate~ : apply~"),
    // amacneil/dbmate: pkg/dbmate/migration.go, upRegExp and downRegExp.
    mark("dbmate", DBMATE, "-- migrate:up", Unmistakable, "migrate~ : UP"),
    mark("dbmate", DBMATE, "-- migrate:down", Unmistakable, "migrate~ : DOWN"),
    mark("dbmate", DBMATE, "-- migrate:up transaction:false", Unmistakable, "migrate~ : UP ? ^: ?"),
    mark("dbmate", DBMATE, "-- migrate:down transaction:false", Unmistakable, "migrate~ : DOWN ? ^: ?"),
    mark("dbmate", DBMATE, "-- migrate:up", Unmistakable, "migrate~ ^:^ UP *"),
    mark("dbmate", DBMATE, "-- migrate:down", Unmistakable, "migrate~ ^:^ DOWN *"),
    mark("dbmate", DBMATE, "-- migrate:up or -- migrate:down", Unmistakable, "migrate ^:^ *"),
    mark("dbmate", DBMATE, "-- migrate:down", RevertsInCompany, "migrate~ DOWN *"),
    // amberframework/micrate, a port of goose.
    mark("micrate", None, "-- +micrate Up", Unmistakable, "+^ micrate UP *"),
    mark("micrate", None, "-- +micrate Down", Unmistakable, "+^ micrate *"),
    // pressly/goose: internal/sqlparser/parser.go.
    mark("goose", GOOSE, "-- +goose Up", Unmistakable, "+^ goose~ UP *"),
    mark("goose", GOOSE, "-- +goose Down", Unmistakable, "+^ goose~ DOWN *"),
    mark("goose", GOOSE, "-- +goose Up, Down, StatementBegin, StatementEnd or NO TRANSACTION", Unmistakable, "+^ goose~ *"),
    mark("goose", GOOSE, "-- +goose Up", Unmistakable, "goose~ UP"),
    mark("goose", GOOSE, "-- +goose Down", Unmistakable, "goose~ DOWN"),
    mark("goose", GOOSE, "-- +goose StatementBegin", Unmistakable, "goose~ statementbegin~"),
    mark("goose", GOOSE, "-- +goose StatementEnd", Unmistakable, "goose~ statementend~"),
    mark("goose", GOOSE, "-- +goose NO TRANSACTION", Unmistakable, "goose~ no transaction~"),
    mark("goose", GOOSE, "-- +goose Down", RevertsInCompany, "goose~ DOWN *"),
    // rubenv/sql-migrate: sqlparse/sqlparse.go.
    mark("sql-migrate", None, "-- +migrate Up", Unmistakable, "+^ migrate~ UP *"),
    mark("sql-migrate", None, "-- +migrate Down", Unmistakable, "+^ migrate~ DOWN *"),
    mark("sql-migrate", None, "-- +migrate StatementBegin or StatementEnd", Unmistakable, "+^ migrate~ *"),
    mark("sql-migrate", None, "-- +migrate Up", Unmistakable, "+ migrate~ UP"),
    mark("sql-migrate", None, "-- +migrate Down", Unmistakable, "+ migrate~ DOWN"),
    // Others that were made after these.
    mark("a tool", None, "-- +… Up", Unmistakable, "+^ ? UP"),
    mark("a tool", None, "-- +… Down", Unmistakable, "+^ ? DOWN"),
    mark("a tool", None, "-- +… NO TRANSACTION", Unmistakable, "+^ ? no transaction"),
    mark("a tool", None, "-- +Up", Unmistakable, "+^ UP"),
    mark("a tool", None, "-- +Down", Unmistakable, "+^ DOWN"),
    // elwinar/rambler: migration.go, prefix `-- rambler`.
    mark("rambler", None, "-- rambler up", Unmistakable, "rambler~ UP *"),
    mark("rambler", None, "-- rambler down", Unmistakable, "rambler~ DOWN *"),
    // jackc/tern: migrate/migrate.go, the separator and disableTxPattern.
    mark("tern", None, "---- create above / drop below ----", Unmistakable, "create~ above~ drop~ below~ *"),
    mark("tern", None, "---- tern: disable-tx ----", Unmistakable, "tern : *"),
    // liquibase/liquibase: the patterns of its formatted SQL.
    mark("Liquibase", None, "--liquibase formatted sql", Unmistakable, "liquibase~ formatted~ *"),
    mark("Liquibase", None, "--liquibase formatted sql", Unmistakable, "liquibase~ sql *"),
    mark("Liquibase", None, "--liquibase formatted sql", Unmistakable, "liquibase~ rollback *"),
    mark("Liquibase", None, "--changeset author:id", Unmistakable, "changeset .. ^:^ *"),
    mark("Liquibase", None, "--preconditions onFail:HALT", Unmistakable, "preconditions~ .. ^:^ *"),
    mark("Liquibase", None, "--precondition-sql-check", Unmistakable, "precondition~ sql check *"),
    mark("Liquibase", None, "--precondition-table-exists", Unmistakable, "precondition~ table exists *"),
    mark("Liquibase", None, "--ignoreLines:start", Unmistakable, "ignorelines~ : *"),
    mark("Liquibase", None, "--logicalFilePath:", Unmistakable, "logicalfilepath~ : *"),
    mark("Liquibase", None, "--validCheckSum:", Unmistakable, "validchecksum~ : *"),
    mark("Liquibase", None, "--property name:", Unmistakable, "property name ^: *"),
    // playframework/playframework, evolutions: `^(#|--).*!(Ups|Downs).*$`.
    mark("Play evolutions", None, "# --- !Ups", Unmistakable, "!^ ups~ *"),
    mark("Play evolutions", None, "# --- !Downs", Unmistakable, "!^ downs~ *"),
    mark("Play evolutions", None, "# --- !Ups", Unmistakable, "!^ UP"),
    mark("Play evolutions", None, "# --- !Downs", Unmistakable, "!^ DOWN"),
    // mybatis/migrations; dbdeploy has the same line.
    mark("MyBatis Migrations or dbdeploy", None, "-- //@UNDO", Unmistakable, "@^ undo~ *"),
    // salsita/node-pg-migrate: src/sqlMigration.ts, `^\s*--[\s-]*down\s+migration`.
    mark("node-pg-migrate", None, "-- Up Migration", Applies, "up migration~ *"),
    mark("node-pg-migrate", None, "-- Down Migration", Reverts, "down~ migration~ *"),
    // Sqitch keeps what reverts in files of its own, with this heading.
    mark("Sqitch", None, "-- Revert project:change from pg", Reverts, "revert~ .. ^:^ .. from ?"),
    // ariga/atlas: sql/migrate/dir.go, its directives.
    mark("Atlas", None, "-- atlas:txmode, atlas:checkpoint or atlas:txtar", Unmistakable, "atlas~ ^:^ ATLAS *"),
    // graphile/migrate: src/migration.ts; `--!include` puts another file in.
    mark("graphile-migrate", None, "--! no-transaction", Unmistakable, "!^ no transaction *"),
    mark("graphile-migrate", None, "--! no-transaction", Unmistakable, "! no transaction *"),
    mark("graphile-migrate", None, "--!include", Unmistakable, "! include *"),
    // Flyway reads these keys in a script configuration file, not in the script.
    mark("Flyway", None, "executeInTransaction=false in a .sql.conf file", Unmistakable, "flyway ^:^ *"),
    mark("Flyway", None, "executeInTransaction=false in a .sql.conf file", Apart, "executeintransaction~ *"),
    // yoyo-migrations: yoyo/migrations.py, in the comments at the top; pogo-migrate reads `depends` too.
    mark("yoyo", None, "-- depends: id", Apart, "depends ^: *"),
    mark("yoyo", None, "-- transactional: false", Apart, "transactional~ : *"),
    mark("yoyo", None, "-- transactional: false", Apart, "transaction : OFF"),
    // launchbadge/sqlx: sqlx-core/src/migrate/source.rs, as the first bytes; yogthos/migratus
    // `-- :disable-transaction`; others write theirs before the colon.
    mark("sqlx", None, "-- no-transaction", Apart, "no -^ transaction *"),
    mark("sqlx", None, "-- no-transaction", Apart, "no transaction~"),
    mark("sqlx", None, "-- no-transaction", Apart, "notransaction~"),
    mark("a tool", None, "-- …:no-transaction", Apart, "? : no transaction~"),
    mark("a tool", None, "-- …:notransaction", Apart, "? : notransaction~"),
    mark("migratus", None, "-- :disable-transaction", Apart, "disable transaction~"),
    mark("a tool", None, "-- …:disable-transaction", Apart, "? : disable transaction~"),
    mark("a tool", None, "-- disable-ddl-transaction", Apart, "disable ddl transaction~"),
    // Word, colon, direction, without a blank.
    mark("a tool", None, "-- …:up", Apart, "? ^:^ UP"),
    mark("a tool", None, "-- …:down", Apart, "? ^:^ DOWN"),
    // kriasoft/node-sqlite and many after it: `^--\s+?down\b`.
    mark("node-sqlite", None, "-- Up", Applies, "up"),
    mark("node-sqlite", None, "-- Down", RevertsInCompany, "down *"),
    mark("node-sqlite", None, "-- Down", RevertsInCompany, "down~"),
    mark("a tool", None, "-- Rollback", RevertsInCompany, "rollback~"),
    mark("a tool", None, "-- Revert", RevertsInCompany, "revert~"),
    mark("a tool", None, "-- Undo", RevertsInCompany, "undo~"),
];

/// The classes of words in patterns.
pub(super) const UP: &[&str] = &["up", "ups", "upp", "pu", "upgrade"];
pub(super) const DOWN: &[&str] = &["down~", "downs", "downgrade", "rollback~", "revert", "undo"];
pub(super) const OFF: &[&str] = &["false", "off", "no", "none", "disabled"];
/// What changes how or whether Atlas runs a file.
pub(super) const ATLAS: &[&str] = &[
    "txmode~",
    "checkpoint~",
    "txtar~",
    "sum",
    "delimiter~",
    "import",
];

/// Headings as shmig (`-- ==== DOWN ====`) and many home-made runners have them: a comment of
/// these words alone, with a word for one direction among them.
pub(super) const HEADING_UP: &[&str] =
    &["up", "ups", "upgrade", "apply", "forward", "forwards", "do"];
pub(super) const HEADING_DOWN: &[&str] = &[
    "down",
    "downs",
    "downgrade",
    "rollback",
    "revert",
    "undo",
    "backward",
    "backwards",
    "unapply",
    "reverse",
];
pub(super) const HEADING_BESIDE: &[&str] = &[
    "migration",
    "migrations",
    "migrate",
    "script",
    "sql",
    "section",
    "part",
    "begin",
    "start",
    "end",
    "block",
    "schema",
    "changes",
    "change",
    "statements",
    "direction",
    "roll",
    "back",
];
