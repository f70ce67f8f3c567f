//! What a SQLite file is.

use contract::{Class, Failure};
use db_read::{SqliteError, SqliteFacts, SqliteSession};
use records::{Place, SqliteRecords};
use settings::SqliteTarget;
use settings::file::Version;

use crate::observed::{Content, File, Marked, Observed, Question, TABLES_SHOWN, TableSize};

/// Rows are counted in files up to this size; counting reads the table.
const COUNTED_BYTES_MAX: u64 = 64 << 20;

/// Lines of damage that are shown.
const DAMAGE_LINES_MAX: u32 = 20;

pub(crate) fn observe(target: &SqliteTarget, question: &Question) -> Result<Observed, Failure> {
    let session = SqliteSession::open(target, &question.options)?;
    let records = SqliteRecords::new(session.connection(), &question.ledger);
    let mark = match records.mark()? {
        None => Marked::No,
        Some(mark) => Marked::Yes {
            identity: mark.identity(&Place::sqlite(session.path())),
            mark: Box::new(mark),
        },
    };
    let occupied_by = records.tables(TABLES_SHOWN as u32)?;
    let facts = session.facts()?;
    let mut content = content(&session, &facts, question)
        .map_err(|error| session.error("read the tables of", error))?;
    content.occupied_by = occupied_by;
    if question.rows
        && !content.has_rows
        && let Some(table) = content.unread.first()
    {
        return Err(Failure::new(
            Class::Error,
            format!(
                "cannot tell whether the database has rows: no table that can be read has one, and \
                 the virtual table {table} can't be read here"
            ),
        )
        .remedy("ask the application, which has the module of that table"));
    }
    let damage = match question.quick_check {
        true => Some(quick_check(&session)?),
        false => None,
    };
    let leftovers = session.close();
    Ok(Observed {
        engine: "SQLite",
        version: version(rusqlite::version_number()),
        version_text: facts.sqlite_version,
        server: None,
        file: Some(File {
            journal_mode: facts.journal_mode,
            page_size: facts.page_size,
            page_count: facts.page_count,
            encoding: facts.encoding,
        }),
        content,
        mark,
        damage,
        leftovers: leftovers.files,
    })
}

/// `sqlite3_libversion_number` in parts: 3054001 is 3.54.1.
fn version(number: i32) -> Version {
    let number = u32::try_from(number).unwrap_or_default();
    Version([number / 1_000_000, number / 1000 % 1000, number % 1000])
}

fn content(
    session: &SqliteSession,
    facts: &SqliteFacts,
    question: &Question,
) -> rusqlite::Result<Content> {
    let connection = session.connection();
    // A virtual table's rows are data; its shadow tables have some also where it has none.
    let mut statement = connection.prepare(
        "SELECT l.name, l.type = 'virtual' FROM pragma_table_list l \
         JOIN main.sqlite_schema s ON s.name = l.name AND s.type = 'table' \
         WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') \
         AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name",
    )?;
    let names: Vec<(String, bool)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let names: Vec<(String, bool)> = names
        .into_iter()
        .filter(|(name, _)| !question.ledger.is_own_sqlite(name))
        .collect();
    let counted = u64::from(facts.page_size) * u64::from(facts.page_count) <= COUNTED_BYTES_MAX;
    let mut content = Content {
        tables: names.len() as u64,
        ..Content::default()
    };
    for (name, is_virtual) in &names {
        let quoted = name.replace('"', "\"\"");
        let ask = |sql: String| match connection.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
            Ok(answer) => Ok(Some(answer)),
            // Its module may be one that the application brings. Damage and an end of the time are none.
            Err(error)
                if *is_virtual
                    && error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        };
        if question.rows && !content.has_rows {
            let probe = format!("SELECT EXISTS (SELECT 1 FROM \"{quoted}\")");
            match ask(probe)? {
                Some(answer) => content.has_rows = answer == 1,
                None => content.unread.push(name.clone()),
            }
        }
        let rows_approximate = match counted {
            true => ask(format!("SELECT count(*) FROM \"{quoted}\""))?
                .and_then(|rows| u64::try_from(rows).ok()),
            false => None,
        };
        content.largest.push(TableSize {
            name: name.clone(),
            rows_approximate,
        });
    }
    if counted {
        let rows = content
            .largest
            .iter()
            .filter_map(|table| table.rows_approximate);
        content.rows_approximate = Some(rows.sum());
    }
    content
        .largest
        .sort_by_key(|table| std::cmp::Reverse(table.rows_approximate));
    content.largest.truncate(TABLES_SHOWN);
    Ok(content)
}

fn quick_check(session: &SqliteSession) -> Result<Vec<String>, SqliteError> {
    let failed = |error| session.error("check", error);
    let sql = format!("PRAGMA quick_check({DAMAGE_LINES_MAX})");
    let mut statement = session.connection().prepare(&sql).map_err(failed)?;
    let lines: Result<Vec<String>, _> = statement
        .query_map([], |row| row.get(0))
        .map_err(failed)?
        .collect();
    let mut lines = lines.map_err(failed)?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}
