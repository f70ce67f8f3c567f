//! A database that had tables before Lockstep came, from the first look to the deployment after it.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use tests::answer::Answer;
use tests::postgres_server::Server;
use tests::programs::program;

const TOML: &str = r#"
[environments.dev]
database = { env = "DATABASE_URL" }
protected = false

[scratch]
server = { env = "DATABASE_URL" }
same_server = true
"#;

const FILES: [(&str, &str); 3] = [
    (
        "0001_users.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);",
    ),
    ("0002_admin.sql", "INSERT INTO users VALUES (1, 'admin');"),
    (
        "0003_tags.sql",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY);",
    ),
];

struct Place {
    dir: tempfile::TempDir,
    url: String,
    database: Option<String>,
}

impl Place {
    /// Marked databases in which the first two files were run by hand.
    fn both() -> [Place; 2] {
        let database = Server::shared().create_database();
        let places = [
            (Server::shared().url(&database), Some(database)),
            ("sqlite:app.db".to_owned(), None),
        ];
        places.map(|(url, database)| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("lockstep.toml"), TOML).unwrap();
            std::fs::create_dir(dir.path().join("migrations")).unwrap();
            for (name, sql) in FILES {
                std::fs::write(dir.path().join("migrations").join(name), sql).unwrap();
            }
            let place = Place { dir, url, database };
            let marked = match &place.database {
                None => place.run("mark-db", &["--create", "--confirm", "sqlite:app.db"]),
                Some(database) => {
                    let target = &place.run("verify-guards", &[]).json["target"];
                    let user = target["user"].as_str().unwrap();
                    let port = Server::shared().port();
                    let confirm = format!("postgres://{user}@127.0.0.1:{port}/{database}");
                    place.run("mark-db", &["--confirm", &confirm])
                }
            };
            marked.is(0, "yes");
            place.change(FILES[0].1);
            place.change(FILES[1].1);
            place
        })
    }

    fn change(&self, sql: &str) {
        match &self.database {
            None => rusqlite::Connection::open(self.dir.path().join("app.db"))
                .unwrap()
                .execute_batch(sql)
                .unwrap(),
            Some(database) => Server::shared()
                .connect(database)
                .batch_execute(&format!("SET search_path = public; {sql}"))
                .unwrap(),
        }
    }

    fn run(&self, name: &str, args: &[&str]) -> Answer {
        let mut command = program(name, self.dir.path());
        command
            .env("DATABASE_URL", &self.url)
            .env("LOCKSTEP_ENV", "dev")
            .env("LOCKSTEP_EVIDENCE", "evidence")
            .args(args)
            .args(["--format", "json"]);
        Answer::of(&mut command)
    }

    /// Writes the entry into the file that a program printed for a terminal.
    fn accept(&self, printed: &str) {
        let (_, entry) = printed.split_once("[[accept]]").unwrap();
        let path = self.dir.path().join("lockstep.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{settings}\n[[accept]]{entry}")).unwrap();
    }
}

fn warned(ran: &Answer) -> bool {
    ran.findings()
        .any(|found| found["check"] == "adoption-proven" && found["status"] == "warn")
}

#[test]
fn an_accepted_adoption_is_a_warning_until_a_replay_agrees() {
    for place in Place::both() {
        place
            .run("verify-migrations", &[])
            .is(1, "no")
            .says("the versions 1 and 2");
        let adopt = ["--applied-through", "2"];
        let refused = place.run("mark-migrations", &adopt);
        refused.is(1, "no");
        place.accept(&refused.stderr);
        // Until it was used the line is one that will be.
        let before = place.run("verify-schema", &[]);
        assert!(
            !warned(&before) && before.found("warn").len() == 1,
            "{before:?}"
        );
        place.run("mark-migrations", &adopt).is(0, "yes");
        let ran = place.run("verify-schema", &[]);
        ran.is(0, "no").says("as expected by the adoption of");
        assert!(warned(&ran), "{ran:?}");
        place.run("mark-schema", &["--renew"]).is(1, "no");
        let replayed = place.run("verify-schema", &["--replay"]);
        replayed.is(0, "no");
        assert!(!warned(&replayed), "{replayed:?}");
        place
            .run("mark-schema", &["--renew"])
            .is(0, "yes")
            .says("the replay proves what the adoption claimed");
        let ran = place.run("verify-schema", &[]);
        ran.is(0, "no");
        assert!(ran.found("warn").is_empty(), "{ran:?}");
        place
            .run("mark-schema", &["--renew"])
            .is(0, "no")
            .says("nothing was changed");
        place.run("deploy-db", &[]).is(0, "yes");
        place
            .run("verify-schema", &[])
            .is(0, "no")
            .says("as expected by the deployment of");
    }
}

#[test]
fn a_replay_that_differs_leaves_the_warning() {
    for place in Place::both() {
        place.change("ALTER TABLE users ADD COLUMN by_hand INTEGER");
        place
            .run("verify-migrations", &[])
            .is(1, "no")
            .says("no version has this schema");
        let adopt = ["--applied-through", "2"];
        place.accept(&place.run("mark-migrations", &adopt).stderr);
        place.run("mark-migrations", &adopt).is(0, "yes");
        let ran = place.run("verify-schema", &["--replay"]);
        ran.is(1, "no");
        assert!(warned(&ran), "{ran:?}");
        place.run("mark-schema", &["--renew"]).is(1, "no");
        assert!(warned(&place.run("verify-schema", &[])));
        // The pending file is deployed all the same: what was accepted is what stands.
        place.run("deploy-db", &[]).is(0, "yes");
        assert!(warned(&place.run("verify-schema", &[])));
    }
}

#[test]
fn a_wrong_adoption_is_taken_back_and_the_right_one_deploys_the_rest() {
    for place in Place::both() {
        place.run("verify-migrations", &[]).is(1, "no");
        let adopt = ["--applied-through", "1"];
        place.accept(&place.run("mark-migrations", &adopt).stderr);
        place.run("mark-migrations", &adopt).is(0, "yes");
        // Its second file would insert a row that is there.
        let undo = ["--undo-adoption", "--because", "0002 was run too"];
        place.run("mark-migrations", &undo).is(0, "yes");
        place
            .run("verify-migrations", &[])
            .is(1, "no")
            .says("the versions 1 and 2");
        let adopt = ["--applied-through", "2"];
        place.accept(&place.run("mark-migrations", &adopt).stderr);
        place.run("mark-migrations", &adopt).is(0, "yes");
        let deployed = place.run("deploy-db", &[]);
        deployed.is(0, "yes");
        assert_eq!(deployed.json["facts"]["applied"], 3, "{deployed:?}");
        place
            .run("mark-migrations", &undo)
            .is(1, "no")
            .says("its row is not of an adoption");
    }
}
