use std::collections::BTreeSet;

use crate::act::Name;
use crate::{Before, Dialect};

/// Which table a name means.
pub(super) struct Names {
    dialect: Dialect,
    /// Where each file begins to look for names without a schema. SQLite has one schema.
    path_of_files: Vec<String>,
    /// The same where the file is now; empty once a file has changed it.
    path: Vec<String>,
    /// The schemas that there are.
    schemas: BTreeSet<String>,
    /// Temporary tables of this file: another may run in another session.
    temporary: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(dialect: Dialect, before: &Before) -> Names {
        let path = match dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => before.search_path.clone(),
        };
        Names {
            dialect,
            path_of_files: path.clone(),
            path,
            schemas: before.schemas.clone(),
            temporary: BTreeSet::new(),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn begin_file(&mut self) {
        self.temporary.clear();
        self.path.clone_from(&self.path_of_files);
    }

    pub(super) fn set_path(&mut self, path: &[String]) {
        self.path = path.to_vec();
    }

    pub(super) fn forget_path(&mut self) {
        self.temporary.clear();
        self.path.clear();
    }

    pub(super) fn add_temporary(&mut self, table: &Name) {
        self.temporary.insert(table.name.clone());
    }

    pub(super) fn remove_temporary(&mut self, table: &Name) {
        self.temporary.remove(&table.name);
    }

    /// Whether names need no schema at all.
    pub(super) fn is_one_schema(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// Whether nobody can tell where a name without a schema is looked for.
    pub(super) fn is_unclear(&self) -> bool {
        !self.is_one_schema() && self.searched().next().is_none()
    }

    pub(super) fn has_schema(&self, schema: &str) -> bool {
        self.schemas.contains(schema)
    }

    fn searched(&self) -> impl Iterator<Item = &String> {
        self.path
            .iter()
            .filter(|schema| self.schemas.contains(*schema))
    }

    /// The schema of temporary tables, whatever they call it.
    fn temporary_schema(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "temp",
            Dialect::Postgres => "pg_temp",
        }
    }

    pub(super) fn is_temporary(&self, meant: &Name) -> bool {
        meant.schema.as_deref() == Some(self.temporary_schema())
    }

    pub(super) fn meant(&self, name: &Name, is_known: impl Fn(&Name) -> bool) -> Name {
        if name.is_temporary(self.dialect)
            || name.schema.is_none() && self.temporary.contains(&name.name)
        {
            return Name {
                schema: Some(self.temporary_schema().to_owned()),
                name: name.name.clone(),
            };
        }
        if name.schema.is_some() {
            return name.clone();
        }
        self.searched()
            .map(|schema| name.within(schema))
            .find(is_known)
            .unwrap_or_else(|| self.made(name))
    }

    /// Where a table of that name is made.
    pub(super) fn made(&self, name: &Name) -> Name {
        match self.searched().next() {
            Some(schema) if name.schema.is_none() => name.within(schema),
            _ => name.clone(),
        }
    }

    pub(super) fn create_schema(&mut self, schema: &str, certain: bool) {
        if certain {
            self.schemas.insert(schema.to_owned());
        } else if !self.schemas.contains(schema) {
            self.doubt_schema(schema);
        }
    }

    pub(super) fn drop_schema(&mut self, schema: &str, certain: bool) {
        if certain {
            self.schemas.remove(schema);
        } else {
            self.doubt_schema(schema);
        }
    }

    /// Perhaps it is there.
    fn doubt_schema(&mut self, schema: &str) {
        for path in [&mut self.path, &mut self.path_of_files] {
            if path.iter().any(|searched| searched == schema) {
                path.clear();
            }
        }
    }
}
