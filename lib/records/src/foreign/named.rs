//! The tool that `[migrations] tool` names, among those whose ledgers are known.

use super::ForeignLedger;
use super::known::KNOWN;

/// A migration tool by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedTool {
    /// What it is called.
    pub name: &'static str,
    /// What runs its migrations.
    pub runs: &'static str,
}

impl NamedTool {
    /// The tool of this name, in any case and with or without what stands between its words.
    pub fn of(written: &str) -> Option<NamedTool> {
        let wanted = letters(written);
        let named = |tool: &'static str| names(tool).find(|name| letters(name) == wanted);
        // A line that is this tool's alone says more of it than one that it shares.
        let mut found = KNOWN
            .iter()
            .filter_map(|known| Some((known, named(known.tool)?)));
        let alone = found.clone().find(|(known, name)| known.tool == *name);
        let (known, name) = alone.or_else(|| found.next())?;
        let runs = known.runs;
        let name = name.trim();
        (!wanted.is_empty()).then_some(NamedTool { name, runs })
    }

    /// The name that a mistyped one resembles, and all of them.
    pub fn names() -> Vec<&'static str> {
        let mut all: Vec<&str> = KNOWN.iter().flat_map(|known| names(known.tool)).collect();
        all.sort_unstable_by_key(|name| name.to_lowercase());
        all.dedup();
        all
    }
}

impl ForeignLedger {
    /// Whether the tool keeps its ledger in such a table.
    pub fn is_of(&self, tool: NamedTool) -> bool {
        names(self.tool).any(|name| letters(name) == letters(tool.name))
    }

    /// What `[migrations] tool` is to say of it: one word a tool that keeps such a ledger.
    pub fn words(&self) -> Vec<String> {
        names(self.tool)
            .map(|name| name.to_lowercase().replace(' ', "-"))
            .collect()
    }
}

/// The names in a line: `golang-migrate (or Encore)`, `dbmate, Rails or a tool like them`.
fn names(tool: &'static str) -> impl Iterator<Item = &'static str> + Clone {
    tool.split(['(', ')', ','])
        .flat_map(|part| part.split(" or "))
        .map(|name| name.trim().trim_start_matches("or ").trim())
        .filter(|name| !name.is_empty() && !name.contains("like them"))
}

fn letters(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_however_it_is_written() {
        for (written, name) in [
            ("prisma", "Prisma"),
            ("Prisma", "Prisma"),
            ("django", "Django"),
            ("alembic", "Alembic"),
            ("rails", "Rails"),
            ("dbmate", "dbmate"),
            ("golang-migrate", "golang-migrate"),
            ("golang_migrate", "golang-migrate"),
            ("encore", "Encore"),
            ("ef-core", "EF Core"),
            ("efcore", "EF Core"),
            ("sequelize", "Sequelize"),
            ("adonisjs", "AdonisJS"),
            ("flyway", "Flyway"),
            ("knex", "Knex"),
            ("sqlx", "sqlx"),
        ] {
            assert_eq!(
                NamedTool::of(written).map(|tool| tool.name),
                Some(name),
                "{written}"
            );
        }
        for written in ["", "-", "command", "a tool like them", "or", "prism"] {
            assert_eq!(NamedTool::of(written), None, "{written}");
        }
    }

    #[test]
    fn every_ledger_is_of_each_tool_that_it_names() {
        for known in KNOWN {
            let ledger = ForeignLedger {
                tool: known.tool,
                table: known.table.to_owned(),
                runs: known.runs,
            };
            let words = ledger.words();
            assert!(!words.is_empty(), "{}", known.tool);
            for word in words {
                let tool = NamedTool::of(&word).unwrap_or_else(|| panic!("{word}"));
                assert!(ledger.is_of(tool), "{word}");
            }
        }
    }
}
