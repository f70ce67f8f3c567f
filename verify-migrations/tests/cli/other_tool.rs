//! A database that another migration tool deploys.

use crate::support::{ENGINES, Place};

const PRISMA: &str =
    "CREATE TABLE _prisma_migrations (id TEXT, checksum TEXT, migration_name TEXT)";
const KNEX: &str =
    "CREATE TABLE knex_migrations (id INT, name TEXT, batch INT, migration_time TEXT)";

/// A database with a table of the application, and these tables beside it.
fn place_with(ledgers: &[&str], tool: &str) -> impl Iterator<Item = Place> {
    ENGINES
        .map(|engine| {
            let place = Place::new(engine, &[("0001_a.sql", "CREATE TABLE a (x INT);")]);
            place.change("CREATE TABLE a (x INT)");
            for ledger in ledgers {
                place.change(ledger);
            }
            if !tool.is_empty() {
                place.write_beside(
                    "lockstep.toml",
                    format!("[migrations]\ntool = \"{tool}\"\n"),
                );
            }
            place
        })
        .into_iter()
}

#[test]
fn the_ledger_of_the_named_tool_is_no_failure_and_not_read() {
    for place in place_with(&[PRISMA], "prisma") {
        let before = place.tables();
        let ran = place.run(&[]);
        ran.exits(0)
            .says("Prisma keeps its ledger here")
            .says("it is not read yet");
        assert_eq!(ran.warnings().len(), 1, "{}", ran.stdout);
        let json = place.json(&[]);
        assert_eq!(json["facts"]["tool"], "Prisma");
        assert!(json["facts"]["plan"].is_null(), "{json}");
        assert!(json["facts"]["pending"].is_null(), "{json}");
        assert_eq!(place.tables(), before);
        place
            .run(&["--expect", "none"])
            .exits(2)
            .says("cannot tell what is pending: Prisma deploys here")
            .says("leave --expect out");
    }
}

#[test]
fn no_folder_of_migrations_is_needed_where_another_tool_has_its_own() {
    for place in place_with(
        &["CREATE TABLE django_migrations (id INT, app TEXT, name TEXT)"],
        "Django",
    ) {
        std::fs::remove_dir_all(place.path("migrations")).unwrap();
        place.run(&[]).exits(0).says("Django keeps its ledger here");
    }
}

#[test]
fn another_ledger_than_the_named_tools_is_a_failure() {
    for place in place_with(&[PRISMA, KNEX], "prisma") {
        let ran = place.run(&[]);
        ran.exits(1)
            .says("Knex keeps its ledger here, and [migrations] tool names Prisma");
        assert_eq!(ran.failures().len(), 1, "{}", ran.stdout);
    }
    for place in place_with(&[KNEX], "prisma") {
        place
            .run(&[])
            .exits(1)
            .says("Knex keeps its ledger here")
            .says("not adopted: there are tables, and no ledger of Prisma");
    }
    // Several tools keep one of the same shape: either name will do.
    for tool in ["rails", "dbmate"] {
        let shared = "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)";
        for place in place_with(&[shared], tool) {
            place.run(&[]).exits(0);
        }
    }
}

#[test]
fn a_database_without_the_named_tools_ledger_is_empty_or_not_its_own() {
    for place in place_with(&[], "alembic") {
        place
            .run(&[])
            .exits(1)
            .says("there are tables, and no ledger of Alembic");
        place.change("DROP TABLE a");
        place
            .run(&[])
            .exits(0)
            .says("it is empty, and Alembic has no ledger here yet");
    }
}

#[test]
fn lockstep_and_another_tool_do_not_deploy_one_database() {
    for place in place_with(&[], "") {
        place.apply_all("applied");
        place.change(PRISMA);
        place.record();
        place.write_beside("lockstep.toml", "[migrations]\ntool = \"prisma\"\n");
        place
            .run(&[])
            .exits(1)
            .says("1 migration was deployed by deploy-db, and [migrations] tool names Prisma");
    }
}

#[test]
fn a_ledger_that_is_found_names_the_line_to_write() {
    for place in place_with(&[PRISMA], "") {
        place
            .run(&[])
            .exits(1)
            .says("write tool = \"prisma\" under [migrations]")
            .says("run `prisma migrate deploy` as a step of the pipeline");
    }
    for place in place_with(&[PRISMA], "prizma") {
        place
            .run(&[])
            .exits(2)
            .says("\"prizma\"")
            .says("write tool = \"prisma\"");
    }
    for place in place_with(&[PRISMA], "oracle-thing") {
        place
            .run(&[])
            .exits(2)
            .says("write one of ")
            .says("Liquibase");
    }
}
