//! Databases that are not deployed to, outside of every CI.

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, says: &[&str]) {
    let before = place.state();
    let ran = place.deploy();
    ran.is(1, "no");
    for text in says {
        ran.says(text);
    }
    assert_eq!(place.state(), before);
}

#[test]
fn tables_without_a_mark_are_protected_and_not_adopted() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.execute("CREATE TABLE theirs (x int)");
        refused(
            &place,
            &[
                "it has tables and no mark",
                "mark-db",
                "not adopted",
                "run verify-migrations",
            ],
        );
        place.mark("dev", false);
        refused(
            &place,
            &["not adopted", "run verify-migrations: it finds the version"],
        );
    }
}

#[test]
fn what_another_tool_deploys_is_left_to_it() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.toml("tool = \"prisma\"\n");
        refused(
            &place,
            &[
                "[migrations] tool names it: it deploys here, and deploy-db does not",
                "run `prisma migrate deploy` as a step of the pipeline",
            ],
        );
    }
}

#[test]
fn a_protected_database_is_not_deployed_to_from_a_desk() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.mark("production", true);
        refused(
            &place,
            &["it belongs to production (protected), this run is for dev"],
        );
        let before = place.state();
        let own = [("LOCKSTEP_ENV", "production")];
        place
            .deploy_with(&[], &own)
            .is(1, "no")
            .says("production is protected, and this process has no CI=true");
        // A file that says otherwise opens nothing.
        place.toml("\n[environments.other]\nprotected = false\n");
        let toml = std::fs::read_to_string(place.path("lockstep.toml")).unwrap();
        std::fs::write(
            place.path("lockstep.toml"),
            toml.replace(
                "[environments.production]",
                "[environments.production]\nprotected = false",
            ),
        )
        .unwrap();
        place.deploy_with(&[], &own).is(1, "no").says("no CI=true");
        std::fs::write(place.path("lockstep.toml"), crate::place::TOML).unwrap();
        assert_eq!(place.state(), before);
    }
}

#[test]
fn an_unmarked_database_of_a_protected_environment_is_not_begun() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        let before = place.state();
        let variables = [("LOCKSTEP_ENV", "production"), ("CI", "true")];
        place
            .deploy_with(&[], &variables)
            .is(1, "no")
            .says("it has no mark, and the environment is protected");
        assert_eq!(place.state(), before);
    }
}

#[test]
fn another_tools_database_is_left_to_that_tool() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.execute("CREATE TABLE goose_db_version (version_id int)");
        place.mark("dev", false);
        refused(
            &place,
            &["goose keeps its ledger here", "run `goose up` as a step"],
        );
    }
}

#[test]
fn a_copy_waits_for_its_own_mark() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    std::fs::copy(place.database(), place.path("copy.db")).unwrap();
    place
        .deploy_with(&[], &[("DATABASE_URL", "sqlite:copy.db")])
        .is(1, "no")
        .says("copied or moved: endpoint was")
        .says("mark-db");

    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let database = place.rows("SELECT current_database()").remove(0);
    let server = tests::postgres_server::Server::shared();
    server
        .connect("postgres")
        .batch_execute(&format!(
            "CREATE DATABASE {database}_copy TEMPLATE {database}"
        ))
        .unwrap();
    let url = server.url(&format!("{database}_copy"));
    place
        .deploy_with(&[], &[("DATABASE_URL", &url)])
        .is(1, "no")
        .says("copied or moved: database oid was")
        .says("mark-db");
}

#[test]
fn data_that_went_missing_is_no_first_run() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed();
        place.execute("DROP TABLE a");
        place.file("2_b.sql", "CREATE TABLE b (x int);");
        refused(
            &place,
            &["it has no table, although its ledger has a migration"],
        );
    }
}

#[test]
fn migrations_without_a_table_are_no_missing_data() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);\nDROP TABLE a;");
        place.deployed();
        place.file("2_b.sql", "CREATE TABLE b (x int);");
        place.deployed();
    }
}

#[test]
fn without_an_environment_nothing_is_allowed() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        let before = place.state();
        place
            .deploy_with(&[], &[("LOCKSTEP_ENV", "")])
            .is(1, "no")
            .says("no environment was named");
        assert_eq!(place.state(), before);
    }
}
