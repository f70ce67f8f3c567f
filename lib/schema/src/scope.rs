//! What of a database counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use settings::Settings;

use crate::name::{part, split};
use crate::{Engine, Error, Named, Schema};

/// What of a database is read and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// PostgreSQL schemas. One that does not exist is simply empty
    /// (see [`Schema::missing_schemas`]).
    pub schemas: Vec<String>,
    /// Patterns of objects that don't count; `*` is any text, `?` one character. Each is held
    /// against the bare name, `schema.name`, and for indexes, triggers, policies and rules
    /// `table.name` too. Functions match with and without their arguments. Case counts on
    /// PostgreSQL only.
    pub ignore: Vec<String>,
    /// The ledger's name: `[migrations] ledger`. Lockstep's own tables never count: PostgreSQL's
    /// schema `lockstep` and SQLite's prefix `lockstep_`, and of a ledger with another name its
    /// tables alone, for the application's may stand beside them. Triggers that run a function of
    /// the schema `lockstep`, or have that prefix, don't count either.
    pub ledger_schema: String,
    /// Whether extensions are recorded with their version, which a hosted platform may change.
    pub extension_versions: bool,
}

/// What of a scope `lockstep.toml` says, as it stands beside a recorded schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// `[schema] schemas`.
    pub schemas: Vec<String>,
    /// `[schema] ignore`.
    pub ignore: Vec<String>,
}

/// PostgreSQL's schema of Lockstep itself; the mark and the freeze stand there whatever the ledger
/// is called.
pub(crate) const OWN_SCHEMA: &str = "lockstep";

/// The tables of a ledger.
const LEDGER_TABLES: [&str; 5] = [
    "migrations",
    "schema",
    "ledger_format",
    "schema_history",
    "accepted",
];

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            schemas: vec!["public".to_owned()],
            ignore: Vec::new(),
            ledger_schema: OWN_SCHEMA.to_owned(),
            extension_versions: false,
        }
    }
}

impl Scope {
    /// What `lockstep.toml` says: whoever reads, records or compares a schema has the same scope.
    pub fn from_settings(settings: &Settings) -> Scope {
        let defaults = Scope::default();
        Scope {
            schemas: settings.schema.schemas.clone(),
            ignore: settings.schema.ignore.clone(),
            ledger_schema: settings
                .migrations
                .ledger
                .clone()
                .unwrap_or(defaults.ledger_schema),
            ..Scope::default()
        }
    }

    /// The scope that a schema's document was recorded with ([`Schema::recorded_in`]), of the same
    /// ledger as this one; nothing where it does not say.
    ///
    /// # Errors
    ///
    /// Text that is no JSON.
    pub fn of_document(&self, text: &str) -> Result<Option<Scope>, Error> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            scope: Option<Counted>,
        }
        let head: Head = serde_json::from_str(text).map_err(Error::Json)?;
        Ok(head.scope.map(|counted| Scope {
            schemas: counted.schemas,
            ignore: counted.ignore,
            ..self.clone()
        }))
    }

    /// The PostgreSQL schemas to read.
    pub(crate) fn read_schemas(&self) -> Vec<&str> {
        let named = self.schemas.iter().map(String::as_str);
        named.filter(|&name| name != OWN_SCHEMA).collect()
    }

    /// Whether a name on SQLite is Lockstep's.
    fn is_own(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut ledger = LEDGER_TABLES
            .iter()
            .map(|table| format!("{}_{table}", self.ledger_schema));
        name.starts_with("lockstep_") || ledger.any(|table| table.eq_ignore_ascii_case(&name))
    }

    /// Whether a table on PostgreSQL is the ledger's.
    fn is_ledger(&self, schema: &str, table: &str) -> bool {
        schema == self.ledger_schema && LEDGER_TABLES.contains(&table)
    }

    /// The part of a schema that this scope covers. `read_*` return it already; a recorded schema
    /// goes through it before it is compared, because it may have been recorded with a wider one.
    pub fn within(&self, schema: &Schema) -> Schema {
        let mut kept = schema.clone();
        self.keep_within(&mut kept);
        kept
    }

    /// Takes out of a schema what [`Scope::within`] leaves out.
    pub fn keep_within(&self, schema: &mut Schema) {
        let engine = schema.engine;
        if engine == Engine::Postgres {
            let read = self.read_schemas();
            schema.schemas.retain(|name| read.contains(&name.as_str()));
        }
        self.keep(engine, &mut schema.tables);
        self.keep(engine, &mut schema.views);
        self.keep(engine, &mut schema.functions);
        self.keep(engine, &mut schema.sequences);
        self.keep(engine, &mut schema.enums);
        self.keep(engine, &mut schema.domains);
        self.keep(engine, &mut schema.types);
        schema
            .extensions
            .retain(|name, _| !self.ignores(engine, &[name]));
        for (name, table) in &mut schema.tables {
            self.keep_under(engine, name, &mut table.indexes);
            self.keep_under(engine, name, &mut table.triggers);
            self.keep_under(engine, name, &mut table.policies);
            self.keep_under(engine, name, &mut table.rules);
        }
        for (name, view) in &mut schema.views {
            self.keep_under(engine, name, &mut view.indexes);
            self.keep_under(engine, name, &mut view.triggers);
            self.keep_under(engine, name, &mut view.rules);
        }
    }

    fn keep<T>(&self, engine: Engine, objects: &mut BTreeMap<String, T>) {
        let read = self.read_schemas();
        objects.retain(|name, _| match (engine, split(name)) {
            (Engine::Postgres, Some((schema, object))) => {
                let bare = object.split('(').next().unwrap_or(&object);
                let qualified = format!("{schema}.{bare}");
                read.contains(&schema.as_str())
                    && !self.is_ledger(&schema, &object)
                    && !self.ignores(engine, &[name, &object, bare, &qualified])
            }
            _ => !self.is_own(name) && !self.ignores(engine, &[name]),
        });
    }

    fn keep_under<T>(&self, engine: Engine, owner: &str, objects: &mut Named<T>) {
        let (schema, table) = match (engine, split(owner)) {
            (Engine::Postgres, Some(parts)) => parts,
            _ => (String::new(), owner.to_owned()),
        };
        objects.retain(|name, _| {
            let own = engine == Engine::Sqlite && self.is_own(name);
            let by_schema = format!("{schema}.{name}");
            let by_table = format!("{table}.{name}");
            let in_full = format!("{owner}.{}", part(name));
            !own && !self.ignores(engine, &[name, &by_schema, &by_table, &in_full])
        });
    }

    fn ignores(&self, engine: Engine, names: &[&str]) -> bool {
        self.ignore.iter().any(|pattern| {
            names.iter().any(|name| match engine {
                Engine::Sqlite => {
                    matches(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
                }
                Engine::Postgres => matches(pattern, name),
            })
        })
    }
}

/// Whether the whole text fits the pattern; backtracks to the last `*` only, so it is linear in
/// pattern times text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("audit_*", "audit_log", true),
            ("audit_*", "my_audit_log", false),
            ("*.tmp_?", "public.tmp_1", true),
            ("*.tmp_?", "public.tmp_12", false),
            ("*", "", true),
            ("", "x", false),
            ("a*b*c", "a_b_b_c", true),
            ("a*b*c", "a_b_b_d", false),
            ("[a]", "a", false),
            ("ü?", "üß", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_settings_say_what_counts() {
        let settings = Settings {
            schema: settings::file::SchemaSettings {
                schemas: vec!["app".to_owned()],
                ignore: vec!["x*".to_owned()],
                ..Default::default()
            },
            ..Settings::default()
        };
        let scope = Scope::from_settings(&settings);
        assert_eq!(
            (scope.schemas, scope.ignore),
            (vec!["app".to_owned()], vec!["x*".to_owned()])
        );
        assert_eq!(scope.ledger_schema, "lockstep");
        assert_eq!(Scope::from_settings(&Settings::default()), Scope::default());
    }

    #[test]
    fn what_is_recorded_of_a_scope_comes_back() {
        let scope = Scope {
            schemas: vec!["app".to_owned()],
            ignore: vec!["x*".to_owned()],
            ledger_schema: "shop".to_owned(),
            ..Scope::default()
        };
        let other = Scope {
            ledger_schema: "shop".to_owned(),
            ..Scope::default()
        };
        let schema = Schema::empty(Engine::Sqlite);
        let text = schema.recorded_in(&scope).to_json().unwrap();
        assert_eq!(other.of_document(&text).unwrap(), Some(scope));
        // As it was recorded before, and is in a file.
        let text = schema.to_json().unwrap();
        assert_eq!(other.of_document(&text).unwrap(), None);
        assert!(other.of_document("").is_err());
    }

    #[test]
    fn own_names() {
        let scope = Scope {
            ledger_schema: "shop".to_owned(),
            schemas: vec!["public".into(), "shop".into(), "lockstep".into()],
            ..Scope::default()
        };
        assert!(scope.is_own("LOCKSTEP_environment") && scope.is_own("shop_migrations"));
        assert!(!scope.is_own("lockstep") && !scope.is_own("shop_orders"));
        assert!(scope.is_ledger("shop", "schema") && !scope.is_ledger("public", "schema"));
        assert_eq!(scope.read_schemas(), ["public", "shop"]);
    }
}
