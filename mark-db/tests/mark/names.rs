//! Names and addresses of protected databases: reviewed, confirmed, stored, and put right.

use crate::support::{CI, Place, TOML};

fn settings(place: &Place, text: &str) {
    std::fs::write(place.dir.path().join("lockstep.toml"), text).unwrap();
}

#[test]
fn a_protected_mark_takes_no_name_that_nobody_has_reviewed() {
    let slip = [("CI", "true"), ("LOCKSTEP_ENV", "producton")];
    for place in Place::both() {
        place
            .run_as_job(&[], &slip)
            .is(2, "no")
            .says("did you mean production?");
        // Neither where there is no file, nor where it declares no environment.
        settings(&place, "");
        let ran = place.run_as_job(&[], &slip);
        assert_eq!(ran.is(1, "no").failed_checks(), ["environment-declared"]);
        ran.says("write [environments.producton] into lockstep.toml, if the name is right");
        std::fs::remove_file(place.dir.path().join("lockstep.toml")).unwrap();
        let ran = place.run_as_job(&[], &slip);
        assert_eq!(ran.is(1, "no").failed_checks(), ["environment-declared"]);
        assert_eq!(place.mark(), None);
    }
}

#[test]
fn a_wrong_name_is_put_right_by_the_command_that_is_printed() {
    let slip = [("CI", "true"), ("LOCKSTEP_ENV", "producton")];
    for place in Place::both() {
        settings(&place, "[environments.producton]\n");
        place.run_as_job(&[], &slip).is(0, "yes");
        let wrong = place.mark().unwrap();
        settings(&place, TOML);
        let ran = place.run_as_job(&[], &CI);
        assert_eq!(ran.is(1, "no").failed_checks(), ["mark-replaceable"]);
        let remedy = ran
            .findings()
            .find_map(|finding| finding["remedy"].as_str())
            .unwrap();
        let confirm = place.confirm();
        let printed = format!(
            "LOCKSTEP_ENV=producton mark-db --rename producton production --confirm '{confirm}'"
        );
        assert!(remedy.ends_with(&printed), "{remedy}");
        // Not in another name, not without CI, not without the target.
        let rename = ["--rename", "producton", "production", "--confirm", &confirm];
        for (args, variables, broken) in [
            (&rename[..], &CI[..], "variable-matches"),
            (&rename[..], &slip[1..], "ci-run"),
            (&rename[..3], &slip[..], "target-confirmed"),
        ] {
            let ran = place.run(args, variables);
            let failed = ran.is(1, "no").failed_checks();
            assert!(failed.contains(&broken), "{failed:?}");
        }
        assert_eq!(place.mark().unwrap(), wrong);
        place
            .run(&rename, &slip)
            .is(0, "yes")
            .says("the mark of producton, renamed production");
        let right = place.mark().unwrap();
        assert!(right.starts_with("production/true/"), "{right}");
        assert_ne!(right.rsplit('/').next(), wrong.rsplit('/').next());
        let ran = place.run(&rename, &slip);
        ran.is(1, "no").says("the mark names production");
    }
}

#[test]
fn the_mark_stores_what_the_file_declares_and_is_renewed_with_it() {
    for place in Place::both() {
        let address = match &place.database {
            None => place.file().canonicalize().unwrap().display().to_string(),
            Some(_) => format!(
                "localhost:{}",
                tests::postgres_server::Server::shared().port()
            ),
        };
        settings(
            &place,
            &TOML.replace(
                "[environments.production]\n",
                "[environments.production]\nendpoints = [\"db.internal:5432\"]\n",
            ),
        );
        let ran = place.run_as_job(&[], &CI);
        assert_eq!(ran.is(1, "no").failed_checks(), ["endpoint-declared"]);
        ran.says(&address).says("db.internal:5432");
        settings(
            &place,
            &TOML.replace(
                "[environments.production]\n",
                &format!(
                    "[environments.production]\nendpoints = [\"db.internal:5432\", \"{address}\"]\n"
                ),
            ),
        );
        place.run_as_job(&[], &CI).is(0, "yes").says(&format!(
            "runs_in ci, GITHUB_REF refs/heads/main, endpoints db.internal:5432 and {address}"
        ));
        let marked = place.mark();
        assert_eq!(
            place.terms(),
            format!(
                "{{\"runs_in\":\"ci\",\"require\":{{\"GITHUB_REF\":\"refs/heads/main\"}},\
                 \"endpoints\":[\"db.internal:5432\",\"{address}\"]}}"
            )
        );
        settings(
            &place,
            &TOML.replace("refs/heads/main", "refs/heads/release"),
        );
        let ran = place.run_as_job(&[], &CI);
        assert_eq!(ran.is(1, "no").failed_checks(), ["requirement-met"]);
        let released = [CI[0], CI[1], ("GITHUB_REF", "refs/heads/release")];
        place.run_as_job(&[], &released).is(0, "yes");
        assert!(place.terms().contains("refs/heads/release"));
        assert_eq!(place.mark(), marked);
    }
}

#[test]
fn a_release_phase_marks_where_its_platform_says_so() {
    let toml = "[environments.production]\nruns_in = \"release\"\n\
                [environments.production.require]\nFLY_APP_NAME = \"shop\"\nFLY_MACHINE_ID = true\n";
    for place in Place::both() {
        settings(&place, toml);
        let machine = [
            ("LOCKSTEP_ENV", "production"),
            ("FLY_APP_NAME", "shop"),
            ("FLY_MACHINE_ID", "148e"),
        ];
        let ran = place.run_as_job(&[], &machine[..2]);
        assert_eq!(ran.is(1, "no").failed_checks(), ["requirement-met"]);
        assert_eq!(place.mark(), None);
        place.run_as_job(&[], &machine).is(0, "yes");
        assert_eq!(
            place.terms(),
            "{\"runs_in\":\"release\",\"require\":{\"FLY_APP_NAME\":\"shop\",\
             \"FLY_MACHINE_ID\":true},\"endpoints\":[]}"
        );
    }
}
