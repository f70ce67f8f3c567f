//! Which target counts, from files and variables as they would be found.

use super::*;

mod beside;

/// A folder with a `lockstep.toml` and whatever else a case needs.
struct Place {
    dir: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    args: TargetArgs,
}

impl Place {
    fn new(toml: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lockstep.toml"), toml).unwrap();
        Place {
            dir,
            variables: Vec::new(),
            args: TargetArgs::default(),
        }
    }

    fn file(self, name: &str, content: &str) -> Place {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn set(mut self, name: &'static str, value: &str) -> Place {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn environment(mut self, name: &str) -> Place {
        self.args.settings.environment = Some(name.to_owned());
        self
    }

    fn target(mut self, target: &str) -> Place {
        self.args.target = Some(target.to_owned());
        self
    }

    fn env_file(mut self, path: &str) -> Place {
        self.args.settings.env_file = Some(PathBuf::from(path));
        self
    }

    fn url_file(mut self, path: &str) -> Place {
        self.args.database_url_file = Some(PathBuf::from(path));
        self
    }

    /// The same without its `lockstep.toml`.
    fn bare(self) -> Place {
        std::fs::remove_file(self.dir.path().join("lockstep.toml")).unwrap();
        self
    }

    fn resolve(&self) -> Result<Resolved, Error> {
        self.resolve_in("")
    }

    /// As from a folder in the place.
    fn resolve_in(&self, folder: &str) -> Result<Resolved, Error> {
        let cwd = self.dir.path().join(folder);
        let variables: Variables = self.variables.iter().cloned().collect();
        let loaded = Loaded::from(&self.args.settings, variables, &cwd)?;
        let ambient = Ambient {
            variables: loaded.variables.clone(),
            account: crate::target::Account {
                name: Some("me".to_owned()),
                home: None,
            },
            socket_dirs: Vec::new(),
        };
        Resolved::from(&self.args, loaded, &ambient, &cwd)
    }

    /// The target, paths shortened to the folder, and what named it.
    #[track_caller]
    fn resolved(&self) -> (String, String) {
        let resolved = self.resolve().unwrap();
        let folder = format!("{}/", self.dir.path().display());
        let short = |text: String| text.replace(&folder, "");
        (
            short(resolved.target.to_string()),
            short(resolved.source.to_string()),
        )
    }

    #[track_caller]
    fn refused(&self) -> String {
        let error = self.resolve().map(|resolved| resolved.source).unwrap_err();
        assert_eq!(contract::Classify::class(&error), contract::Class::Usage);
        let failure = contract::Failure::from(error);
        let remedy = failure.remedy.clone().unwrap_or_default();
        assert!(!remedy.is_empty(), "{}", failure.line());
        format!("{}; {remedy}", failure.line())
    }
}

const BOTH: &str = r#"
[environments.production]
database = { env = "DIRECT_URL" }
[environments.dev]
database = "sqlite:dev.db"
protected = false
[environments.bare]
"#;

fn pair(target: &str, source: &str) -> (String, String) {
    (target.to_owned(), source.to_owned())
}

#[test]
fn the_command_line_then_the_declared_then_the_ambient() {
    let dev = || Place::new(BOTH).environment("dev");
    assert_eq!(
        dev().target("sqlite:given.db").resolved(),
        pair("sqlite:given.db", "TARGET")
    );
    assert_eq!(
        dev()
            .file("conf/url", "sqlite:from.db\n")
            .url_file("conf/url")
            .resolved(),
        pair("sqlite:conf/from.db", "conf/url")
    );
    assert_eq!(
        dev().resolved(),
        pair("sqlite:dev.db", "[environments.dev] database")
    );
    assert_eq!(
        Place::new(BOTH)
            .environment("production")
            .set("DIRECT_URL", "postgres://u:pw@h/d")
            .resolved(),
        pair("postgres://u@h:5432/d", "DIRECT_URL")
    );
    assert_eq!(
        Place::new(BOTH)
            .set("DATABASE_URL", "sqlite:x.db")
            .resolved(),
        pair("sqlite:x.db", "DATABASE_URL")
    );
    let bare = Place::new(BOTH).environment("bare");
    assert_eq!(
        bare.set("DATABASE_URL", "sqlite:x.db").resolved(),
        pair("sqlite:x.db", "DATABASE_URL")
    );
    assert!(
        Place::new(BOTH)
            .refused()
            .contains("cannot find the target")
    );
}

#[test]
fn a_declared_and_an_ambient_target_have_to_agree() {
    let dev = || Place::new(BOTH).environment("dev");
    let said = dev()
        .set("DATABASE_URL", "postgres://u:hunter2@prod/app")
        .refused();
    assert!(
        said.contains("dev.db") && said.contains("postgres://u@prod:5432/app"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        dev()
            .set("DATABASE_URL", "mysql://h/d")
            .refused()
            .contains("DATABASE_URL")
    );

    // The same file in other words.
    for words in ["sqlite:///dev.db", "sqlite:./dev.db"] {
        let same = dev().file("dev.db", "").set("DATABASE_URL", words);
        assert_eq!(same.resolve().unwrap().warnings, [], "{words}");
    }
    let same = dev()
        .file("dev.db", "")
        .set("DATABASE_URL", "sqlite:///dev.db");
    assert_eq!(same.resolved().1, "[environments.dev] database");

    let production = |url: &str| {
        Place::new(BOTH)
            .environment("production")
            .set("DIRECT_URL", "postgres://owner:a@h/d")
            .set("DATABASE_URL", url)
    };
    assert_eq!(
        production("host=h user=app password=b dbname=d")
            .resolve()
            .unwrap()
            .warnings,
        [Warning::AmbientOtherwise {
            environment: "production".to_owned()
        }]
    );
    production("postgres://owner:a@h:6543/d").refused();
    // Given by hand, nothing is ambiguous; what is declared is mentioned.
    let given = dev()
        .target("sqlite:other.db")
        .set("DATABASE_URL", "postgres://prod/app");
    assert_eq!(
        given.resolve().unwrap().warnings,
        [Warning::NotTheDeclared {
            environment: "dev".to_owned()
        }]
    );
}

#[test]
fn the_declared_variable_may_be_database_url_itself() {
    let toml = "[environments.production]\ndatabase = { env = \"DATABASE_URL\" }";
    let place = || Place::new(toml).environment("production");
    assert_eq!(
        place()
            .set("DATABASE_URL", "postgres://u:p@h/d")
            .resolved()
            .1,
        "DATABASE_URL"
    );
    let said = place().refused();
    assert!(
        said.contains("names the variable DATABASE_URL, which is not set"),
        "{said}"
    );
    assert!(
        place()
            .set("DATABASE_URL", "")
            .refused()
            .contains("not set")
    );
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_shown() {
    for target in [
        "postgres://u:hunter2@h/d",
        "postgres://h/d?user=u&password=hunter2",
        "host=h password=hunter2",
        "postgres://u:hunter2@x@h/d",
    ] {
        let said = Place::new("").target(target).refused();
        assert!(!said.contains("hunter2"), "{said}");
    }
    let said = Place::new("").target("postgres://u:hunter2@h/d").refused();
    assert!(
        said.contains("process list") && said.contains("--database-url-file"),
        "{said}"
    );
}

#[test]
fn a_file_may_hold_the_password() {
    let place = Place::new("")
        .file("url", "\u{feff}postgres://u:hunter2@h/d\n")
        .url_file("url");
    assert_eq!(place.resolved(), pair("postgres://u@h:5432/d", "url"));
    for content in ["", "\n", "sqlite:a.db\nsqlite:b.db\n", "hunter2"] {
        let said = Place::new("")
            .file("url", content)
            .url_file("url")
            .refused();
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert!(
        Place::new("")
            .url_file("missing")
            .refused()
            .contains("cannot read")
    );
}

#[test]
fn an_environment_that_the_file_does_not_declare_is_a_mistake() {
    let said = Place::new(BOTH)
        .environment("prod")
        .target("sqlite:a.db")
        .refused();
    assert!(
        said.contains("cannot find the environment \"prod\""),
        "{said}"
    );
    assert!(said.contains("bare, dev, production"), "{said}");
    // A file that declares none says nothing about names.
    let place = Place::new("").environment("prod").target("sqlite:a.db");
    let resolved = place.resolve().unwrap();
    assert_eq!(resolved.environment.as_deref(), Some("prod"));
    assert_eq!(resolved.declared, None);
}

#[test]
fn an_env_file_fills_what_is_not_set() {
    let file = "DATABASE_URL=sqlite:a.db\nOTHER=file\nSAME=x\n";
    let place = |toml: &str| {
        Place::new(toml)
            .file("conf/.env", file)
            .env_file("conf/.env")
    };
    // A path in it starts from its folder.
    assert_eq!(
        place("").resolved(),
        pair("sqlite:conf/a.db", "DATABASE_URL")
    );

    let set = place("").set("OTHER", "process").set("SAME", "x");
    let resolved = set.resolve().unwrap();
    assert_eq!(resolved.variables.text("OTHER"), Ok(Some("process")));
    assert_eq!(
        resolved.warnings,
        [Warning::EnvFileDiffers {
            name: "OTHER".to_owned()
        }]
    );
    assert!(
        Place::new("")
            .env_file("missing")
            .refused()
            .contains("cannot read")
    );
    let doubtful = Place::new("")
        .file(".env", "A=hunter2#b")
        .env_file(".env")
        .refused();
    assert!(
        doubtful.contains("cannot use A in ") && !doubtful.contains("hunter2"),
        "{doubtful}"
    );
}

#[test]
fn an_env_file_is_refused_where_it_could_open_production() {
    let file = "LOCKSTEP_ENV=production\nDATABASE_URL=sqlite:a.db\n";
    let named_by_the_file = |toml: &str| Place::new(toml).file(".env", file).env_file(".env");
    let said = named_by_the_file(BOTH).refused();
    assert!(said.contains("\"production\" is protected"), "{said}");
    named_by_the_file("").refused();

    let dev = || Place::new(BOTH).environment("dev").env_file(".env");
    assert!(dev().file(".env", "A=1").resolve().is_ok());
    // The file can't rename what the command line says.
    dev().file(".env", file).refused();
}

#[test]
fn scratch_is_resolved_like_a_declared_target() {
    let toml = "[scratch]\nserver = { env = \"SCRATCH_URL\" }";
    let scratch = |place: &Place| {
        let resolved = place.resolve().unwrap();
        let ambient = Ambient {
            variables: resolved.variables.clone(),
            ..Ambient::default()
        };
        resolved.scratch(&ambient)
    };
    let place = Place::new(toml).target("sqlite:a.db");
    assert!(matches!(scratch(&place), Err(Error::NotSet { .. })));
    let place = place.set("SCRATCH_URL", "postgres://u:p@h/d");
    assert!(
        matches!(scratch(&place), Ok(Scratch::Server(target)) if target.to_string() == "postgres://u@h:5432/d")
    );
    for (toml, expected) in [
        ("[scratch]\nserver = \"temporary\"", Scratch::Temporary),
        ("", Scratch::NotNamed),
    ] {
        let place = Place::new(toml).target("sqlite:a.db");
        assert_eq!(scratch(&place).unwrap(), expected);
    }
}

#[test]
fn every_refusal_says_what_to_do_next() {
    let config = |place: Place, path: &str| {
        let mut place = place;
        place.args.settings.config = Some(PathBuf::from(path));
        place
    };
    let missing = "create the file, or name one that is there";
    for (place, remedy) in [
        (config(Place::new(""), "nope.toml"), missing),
        (config(Place::new(""), "."), "this is a folder"),
        (Place::new("[env"), "correct the file at that place"),
        (Place::new("[nope]"), "correct the file at that place"),
        (Place::new("").env_file("nope"), missing),
        (Place::new("").url_file("nope"), missing),
        (
            Place::new("").file(".env", "A=1\nhunter2").env_file(".env"),
            "write each line as NAME=value",
        ),
        (
            Place::new("").file(".env", "A=b#c").env_file(".env"),
            "put the value in single quotes, and a blank before the # of a comment",
        ),
        (Place::new("").environment("a b"), "correct --environment"),
        (
            Place::new("").set("DATABASE_URL", "mysql://h/d"),
            "correct DATABASE_URL; a target is",
        ),
    ] {
        let said = place.refused();
        assert!(said.contains(remedy), "{remedy}: {said}");
    }
}
