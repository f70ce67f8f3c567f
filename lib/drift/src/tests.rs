use contract::Report;
use migrations::{LedgerRow, RowState, ledger_state};
use schema::{Engine, Table};
use settings::Settings;
use settings::file::Acceptable;

use super::*;

/// A PostgreSQL database with these tables.
fn database(tables: &[&str]) -> Schema {
    let mut schema = Schema::empty(Engine::Postgres);
    schema.server_major = Some(15);
    schema.schemas.insert("public".to_owned());
    for table in tables {
        schema.tables.insert((*table).to_owned(), Table::default());
    }
    schema
}

fn rows(versions: &[&str]) -> Vec<LedgerRow> {
    let row = |(at, version): (i64, &&str)| LedgerRow {
        version: (*version).to_owned(),
        name: String::new(),
        sha256: [7; 32],
        sha256_tokens: None,
        state: RowState::Applied,
        applied_at: String::new(),
        duration_ms: 0,
        applied_by: String::new(),
        run_id: String::new(),
        because: None,
        position: at,
    };
    (1..).zip(versions).map(row).collect()
}

fn record(schema: &Schema, rows: &[LedgerRow], scope: Option<&Scope>) -> RecordedSchema {
    RecordedSchema {
        document: match scope {
            Some(scope) => schema.recorded_in(scope).to_json().unwrap(),
            None => schema.to_json().unwrap(),
        },
        ledger_state: ledger_state(rows),
        recorded_at: "2026-05-03T10:00:00Z".to_owned(),
        run_id: "run".to_owned(),
    }
}

/// Each file makes the table that its version is called.
fn reach(row: &LedgerRow) -> Reach {
    Reach::of(
        sql::Dialect::Postgres,
        &format!("CREATE TABLE {} (n int)", row.version),
    )
}

fn subjects(differences: &[Difference]) -> Vec<&str> {
    let names = differences
        .iter()
        .map(|difference| difference.subject.as_str());
    names.collect()
}

/// How many differences nothing and a file account for.
#[track_caller]
fn check(
    recorded: Option<&RecordedSchema>,
    rows: &[LedgerRow],
    live: &Schema,
    by_hand: &[&str],
    by_files: &[&str],
) {
    let scope = Scope::default();
    let basis = Basis::new(recorded, rows, &scope).unwrap();
    let drift = basis.compare(live, &reach).unwrap();
    assert_eq!(subjects(&drift.by_hand), by_hand);
    assert_eq!(subjects(&drift.by_files), by_files);
}

#[test]
fn what_the_record_does_not_have_is_drift() {
    let rows = rows(&["a", "b"]);
    let recorded = record(&database(&["public.a", "public.b"]), &rows, None);
    check(
        Some(&recorded),
        &rows,
        &database(&["public.a", "public.b"]),
        &[],
        &[],
    );
    let live = database(&["public.a", "public.x"]);
    check(
        Some(&recorded),
        &rows,
        &live,
        &["public.b", "public.x"],
        &[],
    );
}

#[test]
fn what_came_after_an_old_record_is_accounted_for_by_its_file_alone() {
    let all = rows(&["a", "b"]);
    let recorded = record(&database(&["public.a"]), &all[..1], None);
    let live = database(&["public.a", "public.b", "public.x"]);
    check(Some(&recorded), &all, &live, &["public.x"], &["public.b"]);
    // A file that was applied before the record accounts for nothing since.
    check(
        Some(&recorded),
        &all,
        &database(&["public.b"]),
        &["public.a"],
        &["public.b"],
    );
}

#[test]
fn a_record_of_no_state_of_the_ledger_accounts_for_nothing() {
    let recorded = record(&database(&["public.a"]), &rows(&["z"]), None);
    let live = database(&["public.a", "public.b"]);
    check(
        Some(&recorded),
        &rows(&["a", "b"]),
        &live,
        &["public.b"],
        &[],
    );
    check(
        Some(&recorded),
        &rows(&["a", "b"]),
        &database(&["public.a"]),
        &[],
        &[],
    );
}

#[test]
fn without_a_record_the_files_made_what_is_there() {
    let live = database(&["public.a", "public.x"]);
    check(None, &rows(&["a"]), &live, &["public.x"], &["public.a"]);
    check(None, &[], &live, &[], &[]);
}

#[test]
fn only_what_both_scopes_cover_is_compared() {
    let rows = rows(&["a"]);
    let narrow = Scope {
        ignore: vec!["tmp_*".to_owned()],
        ..Scope::default()
    };
    let whole = database(&["public.a", "public.tmp_1"]);
    // The file names more than the record: it was never looked at, so that it is new says nothing.
    let recorded = record(&narrow.within(&whole), &rows, Some(&narrow));
    let scope = Scope::default();
    let basis = Basis::new(Some(&recorded), &rows, &scope).unwrap();
    assert!(basis.is_scope_changed());
    let drift = basis
        .compare(&basis.scope().within(&whole), &reach)
        .unwrap();
    assert!(drift.is_none(), "{drift:?}");
    // The file names less.
    let recorded = record(&whole, &rows, Some(&scope));
    let basis = Basis::new(Some(&recorded), &rows, &narrow).unwrap();
    let live = database(&["public.a", "public.tmp_2"]);
    let drift = basis.compare(&basis.scope().within(&live), &reach).unwrap();
    assert!(drift.is_none(), "{drift:?}");
    let live = database(&["public.tmp_2"]);
    let drift = basis.compare(&basis.scope().within(&live), &reach).unwrap();
    assert_eq!(subjects(&drift.by_hand), ["public.a"]);
}

#[test]
fn an_index_that_became_invalid_is_no_drift() {
    let rows = rows(&["a"]);
    let with_index = |valid| {
        let mut schema = database(&["public.a"]);
        let table = schema.tables.get_mut("public.a").unwrap();
        let definition = "CREATE INDEX i ON public.a USING btree (a)".to_owned();
        table
            .indexes
            .insert("i".to_owned(), schema::Index { definition, valid });
        schema
    };
    let recorded = record(&with_index(true), &rows, None);
    check(Some(&recorded), &rows, &with_index(false), &[], &[]);
    // One that a failed statement left is an index more.
    let recorded = record(&database(&["public.a"]), &rows, None);
    check(
        Some(&recorded),
        &rows,
        &with_index(false),
        &["public.a.i"],
        &[],
    );
}

#[test]
fn a_record_that_can_not_be_read_is_no_answer() {
    let rows = rows(&["a"]);
    let mut recorded = record(&database(&["public.a"]), &rows, None);
    recorded.document = "{}".to_owned();
    let scope = Scope::default();
    let basis = Basis::new(Some(&recorded), &rows, &scope).unwrap();
    assert!(basis.compare(&database(&["public.a"]), &reach).is_err());
    recorded.document = "{".to_owned();
    assert!(Basis::new(Some(&recorded), &rows, &scope).is_err());
}

/// What is said of a live schema with these tables beside `public.a`.
fn said(live: &Schema) -> Report {
    let rows = rows(&["a"]);
    let recorded = record(&database(&["public.a"]), &rows, None);
    let scope = Scope::default();
    let basis = Basis::new(Some(&recorded), &rows, &scope).unwrap();
    let drift = basis.compare(live, &reach).unwrap();
    let settings = Settings::default();
    let check = Acceptable::SchemaAsRecorded;
    let lines = accept::Lines::new(check, &settings, Some("1b4e28ba"), &[]);
    let mut report = Report::default();
    drift.report("sha256:0", &lines, &mut report);
    report
}

#[test]
fn the_first_differences_are_named_and_the_others_counted() {
    let names: Vec<String> = (0..30).map(|at| format!("public.t{at:02}")).collect();
    let mut tables: Vec<&str> = names.iter().map(String::as_str).collect();
    tables.push("public.a");
    let report = said(&database(&tables));
    // One that says what to do, twenty, and one that counts.
    assert_eq!(report.counts().fail, 22);
    let first = &report.findings()[0];
    assert!(
        first
            .message
            .starts_with("30 differences from what run run recorded at")
    );
    assert_eq!(first.actual.as_deref(), Some("sha256:0"));
    let remedy = first.remedy.as_deref().unwrap();
    for part in [
        "check = \"schema-as-recorded\"",
        "target = \"1b4e28ba\"",
        "mark-schema --accept sha256:0",
        "ignore of [schema]",
    ] {
        assert!(remedy.contains(part), "{remedy}");
    }
    assert_eq!(report.findings()[1].remedy, None);
    assert_eq!(report.findings()[21].message, "and 10 differences more");
}

#[test]
fn a_record_of_another_major_names_the_way_to_renew_it() {
    let mut live = database(&["public.a", "public.x"]);
    live.server_major = Some(16);
    let report = said(&live);
    let remedy = report.findings()[0].remedy.as_deref().unwrap();
    assert!(remedy.contains("mark-schema --renew"), "{remedy}");
    // Where both print the same, nothing is wrong.
    live.tables.remove("public.x");
    assert_eq!(said(&live).counts().fail, 0);
}
