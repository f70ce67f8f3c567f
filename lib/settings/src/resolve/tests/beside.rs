//! What lies beside or above the working directory, and what `DATABASE_URL` lends.

use super::*;

#[test]
fn the_file_is_looked_for_above_the_working_directory() {
    let place = Place::new(BOTH).environment("dev").file("web/src/x", "");
    let resolved = place.resolve_in("web/src").unwrap();
    let top = place.dir.path().canonicalize().unwrap();
    assert_eq!(resolved.settings.path, Some(top.join("lockstep.toml")));
    assert_eq!(resolved.settings.migrations.dir, top.join("migrations"));
    assert_eq!(
        resolved.target.to_string(),
        format!("sqlite:{}/dev.db", top.display())
    );
    assert_eq!(resolved.warnings, []);
    // The nearest one counts.
    let place = place.file(
        "web/lockstep.toml",
        "[environments.dev]\ndatabase = \"sqlite:web.db\"",
    );
    let resolved = place.resolve_in("web/src").unwrap();
    assert_eq!(
        resolved.target.to_string(),
        format!("sqlite:{}/web/web.db", top.display())
    );
    // What is named is not looked for.
    let mut place = place;
    place.args.settings.config = Some(PathBuf::from("other.toml"));
    assert!(place.resolve_in("web/src").is_err());
}

#[test]
fn where_the_file_was_looked_for_is_said() {
    let bare = || Place::new("").bare();
    let place = bare().environment("production");
    let said = place.refused();
    let folder = place.dir.path().canonicalize().unwrap();
    let where_ = format!("there is none in {} or above it", folder.display());
    assert!(
        said.contains("the environment \"production\"") && said.contains(&where_),
        "{said}"
    );
    assert!(said.contains("--config"), "{said}");

    let place = bare()
        .set("LOCKSTEP_ENV", "production")
        .target("sqlite:a.db");
    let [Warning::NoFile { environment, .. }] = &place.resolve().unwrap().warnings[..] else {
        panic!("{:?}", place.resolve().unwrap().warnings);
    };
    assert_eq!(environment, "production");
    // Without an environment nothing is missing, and a file that declares none was found.
    assert_eq!(bare().target("sqlite:a.db").resolve().unwrap().warnings, []);
    let declares_none = Place::new("").environment("dev").target("sqlite:a.db");
    assert_eq!(declares_none.resolve().unwrap().warnings, []);
    assert!(!bare().refused().contains("lockstep.toml"));
}

#[test]
fn a_file_of_variables_that_is_there_is_mentioned_where_it_may_be_named() {
    let with_file = |place: Place| place.file(".env", "DATABASE_URL=sqlite:a.db");
    let said = with_file(Place::new("").bare()).refused();
    assert!(
        said.contains("--env-file ") && said.contains(".env"),
        "{said}"
    );
    let dev = "[environments.dev]\nprotected = false\ndatabase = { env = \"DEV_URL\" }";
    let said = with_file(Place::new(dev).environment("dev")).refused();
    assert!(
        said.contains("set DEV_URL") && said.contains("--env-file "),
        "{said}"
    );
    // Beside the file that was found above.
    let place = with_file(Place::new("")).file("web/x", "");
    let error = place
        .resolve_in("web")
        .map(|found| found.source)
        .unwrap_err();
    let remedy = contract::Failure::from(error).remedy.unwrap();
    let top = place.dir.path().canonicalize().unwrap();
    let named = format!("--env-file {}", top.join(".env").display());
    assert!(remedy.contains(&named), "{remedy}");
    for place in [
        Place::new("").bare(),
        with_file(Place::new(BOTH).environment("production")),
        with_file(Place::new("").bare().environment("production")),
        with_file(Place::new("").bare())
            .file("other.env", "A=1")
            .env_file("other.env"),
    ] {
        assert!(
            !place.refused().contains("--env-file"),
            "{}",
            place.refused()
        );
    }
}

#[test]
fn database_url_lends_its_password_to_the_very_same_target() {
    let toml = "[environments.production]\ndatabase = \"postgres://app@h:5433/d?sslmode=disable\"";
    let password = |place: &Place| match place.resolve().unwrap() {
        Resolved {
            target: Target::Postgres(target),
            warnings,
            ..
        } => (target.password.map(|pw| pw.expose().to_owned()), warnings),
        other => panic!("{other:?}"),
    };
    let production = |url: &str| {
        Place::new(toml)
            .environment("production")
            .set("DATABASE_URL", url)
    };
    let lent = Some("pw".to_owned());
    for url in [
        "postgres://app:pw@h:5433/d?sslmode=disable",
        "postgresql+psycopg://app:pw@h:5433/d?sslmode=disable",
        "host=h port=5433 dbname=d user=app password=pw sslmode=disable",
    ] {
        assert_eq!(password(&production(url)), (lent.clone(), vec![]), "{url}");
    }
    // A host's name has no case.
    let in_capitals = production("postgres://app:pw@H:5433/d?sslmode=disable");
    assert_eq!(password(&in_capitals).0, lent);
    let otherwise = Warning::AmbientOtherwise {
        environment: "production".to_owned(),
    };
    // It goes to no server that is verified less than it asks for.
    let other_settings = production("postgres://app:pw@h:5433/d?sslmode=require");
    assert_eq!(password(&other_settings), (None, vec![otherwise.clone()]));
    let Target::Postgres(target) = other_settings.resolve().unwrap().target else {
        panic!("no server");
    };
    assert_eq!(target.sslmode, crate::target::SslMode::Disable);
    // Another user's password is another's.
    assert_eq!(
        password(&production("postgres://owner:pw@h:5433/d")),
        (None, vec![otherwise])
    );
    // The target's own password counts.
    let own = production("postgres://app:pw@h:5433/d?sslmode=disable").set("PGPASSWORD", "own");
    assert_eq!(password(&own).0, Some("own".to_owned()));
    for url in [
        "postgres://app:pw@h:5432/d",
        "postgres://app:pw@other:5433/d",
        "postgres://app:pw@h:5433/other",
        "sqlite:d",
    ] {
        let said = production(url).refused();
        assert!(said.contains("cannot tell the target"), "{url}: {said}");
    }
    // Neither can TARGET hold one.
    let given = Place::new("")
        .target("postgres://app@h/d")
        .set("DATABASE_URL", "postgres://app:pw@h/d");
    assert_eq!(password(&given), (lent, vec![]));
    let given = Place::new("")
        .target("postgres://app@h/d")
        .set("DATABASE_URL", "postgres://app:pw@h/other");
    assert_eq!(password(&given), (None, vec![]));
}

#[test]
fn a_file_with_a_password_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = |text: &str| Place::new("").file("url", text).url_file("url");
    let warned = |place: &Place, mode: u32| {
        let path = place.dir.path().join("url");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        !place.resolve().unwrap().warnings.is_empty()
    };
    let with_password = place("postgres://u:pw@h/d");
    for (mode, is_warned) in [
        (0o644, true),
        (0o640, true),
        (0o604, true),
        (0o600, false),
        (0o400, false),
    ] {
        assert_eq!(warned(&with_password, mode), is_warned, "{mode:o}");
    }
    for text in ["sqlite:a.db", "postgres://u@h/d"] {
        assert!(!warned(&place(text), 0o644), "{text}");
    }
}
