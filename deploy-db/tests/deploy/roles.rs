//! PostgreSQL: roles that may do little, and projects that share a database.

use tests::postgres_server::Server;

use crate::place::Place;

/// A role that may create in `public` and nowhere else; returns the URL.
fn role(place: &Place, name: &str) -> String {
    place.execute(&format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO {name}"
    ));
    let database = &place.rows("SELECT current_database()")[0];
    Server::shared().url_as(name, "secret", database)
}

#[test]
fn a_role_that_may_not_create_schemas_is_told_what_its_owner_has_to_do() {
    let place = Place::postgres();
    let url = role(&place, "deployer");
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let before = place.state();
    let variables = [("DATABASE_URL", url.as_str())];
    let ran = place.deploy_with(&[], &variables);
    ran.is(1, "no").says("permission denied for database");
    assert_eq!(place.state(), before);
    // What it says is what has to be done.
    let finding = ran.json["findings"].as_array().unwrap().last().unwrap();
    let remedy = finding["remedy"].as_str().unwrap();
    place.execute(remedy.split_once("run: ").unwrap().1);
    place.deploy_with(&[], &variables).is(0, "yes");
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn a_role_that_may_not_read_the_ledger_is_no_empty_ledger() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    let url = role(&place, "stranger");
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let ran = place.deploy_with(&[], &[("DATABASE_URL", &url)]);
    ran.is(3, "no")
        .says("permission denied")
        .says("grant the role USAGE");
}

#[test]
fn two_projects_share_a_database() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed();
        place.toml("ledger = \"billing\"\n");
        place.file("1_a.sql", "CREATE TABLE b (x int);");
        // Its tables are somebody's, and nobody has said whose.
        place.deploy().is(1, "no").says("not adopted");
        let mut writer = db_write::open(
            &place.target(),
            db_write::Options {
                tool: "test",
                run_id: "test".into(),
                actor: "test".into(),
                ledger: records::LedgerName::new(Some("billing")).unwrap(),
                schema: None,
                lock_timeout: std::time::Duration::from_secs(1),
                patience: std::time::Duration::from_secs(1),
                sqlite: settings::file::SqliteSettings::default(),
                stop: db_write::Stop::default(),
                terms: None,
            },
        )
        .unwrap();
        let scope = schema::Scope {
            ledger_schema: "billing".into(),
            ..schema::Scope::default()
        };
        let live = writer.read_schema(&scope).unwrap();
        let state = migrations::ledger_state(&[]);
        let schema = db_write::NewSchema::new(&live, &scope, state).unwrap();
        writer.adopt(&[], &schema, None).unwrap();
        drop(writer);
        place.deployed();
        let table = if place.is_sqlite() {
            "billing_migrations"
        } else {
            "billing.migrations"
        };
        assert_eq!(place.rows(&format!("SELECT version FROM {table}")), ["1"]);
        assert_eq!(place.ledger(), ["1"]);
        place.toml("");
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed().is(0, "no");
    }
}
