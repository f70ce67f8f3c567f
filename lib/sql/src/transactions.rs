//! The transactions that a file begins and ends itself, and how they go with the runner's.

use std::borrow::Cow;
use std::ops::Range;

use crate::act::{Act, Name, What};
use crate::lex::{Class, lex};
use crate::script::{Kind, Script, Statement, excerpt, parse};
use crate::{Dialect, Hindrance};

mod by_statement;
mod enums;

use enums::Added;

/// A statement that begins, ends or divides a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// BEGIN. `plain` where it asks for nothing that another transaction might not give.
    Begin {
        plain: bool,
    },
    /// COMMIT or END; `chain` where another one begins with it.
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    /// PREPARE TRANSACTION.
    Prepare,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION.
    Modes,
    /// PostgreSQL refuses it where no transaction was begun: LOCK, a cursor.
    Needs,
}

impl Control {
    /// Whether it does nothing itself.
    fn is_boundary(&self) -> bool {
        !matches!(self, Control::Modes | Control::Needs)
    }
}

/// What becomes of the transactions of a file's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transactions {
    /// The statements that the runner leaves out, since its own transaction does what they are for:
    /// each BEGIN and COMMIT, in order. Empty if the file has none, or if they can't be left out.
    pub left_out: Vec<LeftOut>,
    /// Why the file can't run as it stands, at most one of each kind for a statement.
    pub faults: Vec<TransactionFault>,
}

/// A statement that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// 1-based.
    pub line: u32,
    /// Its bytes, without a semicolon.
    pub range: Range<usize>,
}

/// A statement that does not go with the transaction that it would run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionFault {
    /// 1-based.
    pub line: u32,
    /// The beginning of the statement, on one line.
    pub text: String,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// What is wrong with a statement and the transaction around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The file's own BEGIN and COMMIT can't be left out: the reason, as a clause about the statement.
    /// Outside the runner's transaction the file means what it says.
    NotLeftOut(String),
    /// The transaction that it begins is not ended.
    LeftOpen,
    /// It ends what was not begun.
    NothingToEnd,
    /// The engine refuses to begin a transaction within another.
    BeginsWithin,
    /// The engine refuses it in a transaction, and the file has begun one, or it stands in code.
    InTransaction,
    /// The engine refuses it where no transaction was begun.
    OutsideTransaction,
    /// It uses a value of an enum that the same transaction has added, which PostgreSQL refuses
    /// (55P04, "unsafe use of new value").
    EnumValueUsed {
        /// The enum, as it was named.
        ty: String,
        /// The value.
        value: String,
        /// The 1-based line in which it is added.
        added: u32,
        /// Whether the file's own BEGIN holds both.
        is_own: bool,
    },
}

/// What becomes of the transactions that a script begins and ends itself: within the runner's, or where
/// the file asks for none (`no_transaction`). `sql` is the text that the script was read from.
///
/// BEGIN and COMMIT are left out if they are plain, stand in pairs at the top level, and nothing needs
/// the COMMIT in between. What the file says is then done as one, with its row in the ledger.
pub fn transactions(script: &Script, sql: &str, no_transaction: bool) -> Transactions {
    let mut reading = Reading {
        script,
        sql,
        faults: Vec::new(),
    };
    if no_transaction {
        reading.by_statement();
        return Transactions {
            left_out: Vec::new(),
            faults: reading.faults,
        };
    }
    let (places, left_out) = reading.pairs();
    if !left_out.is_empty() && reading.faults.is_empty() {
        reading.find_need_of_commit(&places);
    }
    // One reason is enough for a file.
    reading.faults.truncate(1);
    reading.find_enum_values(&places);
    let left_out = match reading.faults.is_empty() {
        true => left_out,
        false => Vec::new(),
    };
    Transactions {
        left_out,
        faults: reading.faults,
    }
}

/// The text of a file that runs in the runner's transaction, as it is sent: with blanks in place of
/// what is left out, so that every line and offset stays.
pub fn within_transaction(dialect: Dialect, sql: &str) -> Cow<'_, str> {
    if !may_begin(dialect, sql) {
        return Cow::Borrowed(sql);
    }
    let script = parse(dialect, sql);
    let left_out = match script.errors.is_empty() {
        true => transactions(&script, sql, false).left_out,
        false => Vec::new(),
    };
    if left_out.is_empty() {
        return Cow::Borrowed(sql);
    }
    let mut text = String::with_capacity(sql.len());
    let mut from = 0;
    for statement in left_out {
        text.push_str(&sql[from..statement.range.start]);
        let gone = &sql[statement.range.clone()];
        for c in gone.chars() {
            match c {
                '\n' | '\r' => text.push(c),
                c => text.extend(std::iter::repeat_n(' ', c.len_utf8())),
            }
        }
        from = statement.range.end;
    }
    text.push_str(&sql[from..]);
    Cow::Owned(text)
}

/// Whether some statement begins as one that begins a transaction does: most files have none, and
/// need no parser to tell.
fn may_begin(dialect: Dialect, sql: &str) -> bool {
    let lexed = lex(dialect, sql);
    let mut begins = true;
    lexed.tokens().any(|token| {
        let is_first = std::mem::replace(&mut begins, false);
        begins = !matches!(
            token.class,
            Class::Word | Class::Open | Class::Close | Class::Other
        );
        let is = |word: &str| token.text(sql).eq_ignore_ascii_case(word);
        is_first && (is("begin") || is("start"))
    })
}

/// Where a statement stands among the file's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Counts up with each BEGIN and each COMMIT.
    stretch: usize,
    /// Whether the file's own BEGIN holds it.
    is_within: bool,
}

struct Reading<'a> {
    script: &'a Script,
    sql: &'a str,
    faults: Vec<TransactionFault>,
}

impl Reading<'_> {
    /// Where each statement stands, and the pairs that there are.
    fn pairs(&mut self) -> (Vec<Place>, Vec<LeftOut>) {
        let mut places = Vec::with_capacity(self.script.statements.len());
        let mut left_out = Vec::new();
        let mut begun: Option<&Statement> = None;
        let mut savepoints: Vec<&str> = Vec::new();
        let mut outside: Option<&Statement> = None;
        let mut enders = Enders::default();
        let mut stretch = 0;
        for statement in &self.script.statements {
            match &statement.control {
                Some(Control::Begin { plain }) => {
                    if begun.is_some() {
                        self.not_left_out(statement, "begins a transaction within another");
                    } else if !plain {
                        self.not_left_out(
                            statement,
                            "asks for another kind of transaction than the runner's",
                        );
                    }
                    begun = Some(statement);
                    savepoints.clear();
                    stretch += 1;
                    left_out.push(LeftOut::of(statement));
                }
                Some(Control::Commit { chain }) => {
                    if begun.is_none() {
                        self.add(statement, Trouble::NothingToEnd);
                    } else if *chain {
                        self.not_left_out(statement, "begins another transaction at once");
                    }
                    begun = None;
                    savepoints.clear();
                    stretch += 1;
                    left_out.push(LeftOut::of(statement));
                }
                Some(Control::Rollback { .. }) => {
                    match begun.take() {
                        None => self.add(statement, Trouble::NothingToEnd),
                        Some(_) => self.not_left_out(
                            statement,
                            "takes back what the file's own transaction did, and no more",
                        ),
                    }
                    stretch += 1;
                }
                Some(Control::Prepare) => {
                    begun = None;
                    self.not_left_out(statement, "leaves the transaction to other sessions");
                }
                Some(Control::Savepoint(name)) => match begun {
                    Some(_) => savepoints.push(name),
                    None => outside = outside.or(Some(statement)),
                },
                Some(Control::Release(name) | Control::RollbackTo(name)) => {
                    if begun.is_none() || !savepoints.contains(&name.as_str()) {
                        outside = outside.or(Some(statement));
                    }
                }
                Some(Control::Modes) if begun.is_some() => self.not_left_out(
                    statement,
                    "asks for another kind of transaction than the runner's",
                ),
                Some(Control::Modes | Control::Needs) | None => {
                    let ends = |act: &&Act| enders.is_one(act);
                    if let Some(act) = statement.acts.iter().find(ends) {
                        self.not_left_out_at(
                            act.line,
                            statement,
                            "ends the transaction from within code".to_owned(),
                        );
                    }
                    enders.follow(statement);
                }
            }
            places.push(Place {
                stretch,
                is_within: begun.is_some(),
            });
        }
        if let Some(statement) = begun {
            // Where something else is wrong with it too, this is to be mended first.
            self.faults.clear();
            self.add(statement, Trouble::LeftOpen);
        }
        // In the runner's transaction alone a savepoint does no harm.
        if let Some(statement) = outside.filter(|_| !left_out.is_empty()) {
            self.not_left_out(
                statement,
                "is about a savepoint of another transaction, or of none",
            );
        }
        (places, left_out)
    }

    /// What would mean something else, or be refused, without a COMMIT behind it.
    fn find_need_of_commit(&mut self, places: &[Place]) {
        let statements = &self.script.statements;
        let last = statements
            .iter()
            .zip(places)
            .rfind(|(statement, _)| !statement.control.as_ref().is_some_and(Control::is_boundary))
            .map_or(0, |(_, place)| place.stretch);
        let mut written: Vec<(&Name, usize)> = Vec::new();
        for (statement, place) in statements.iter().zip(places) {
            if is_bounded(&statement.acts) && place.stretch < last {
                return self.not_left_out(
                    statement,
                    "holds until the next COMMIT, and statements stand behind that",
                );
            }
            if self.script.dialect != Dialect::Postgres {
                continue;
            }
            // An event of a deferred constraint or trigger waits for the COMMIT, and until then the
            // server alters no such table.
            let altered = statement.acts.iter().find_map(|act| {
                let table = altered(&act.what).filter(|_| alters(statement))?;
                let is_waiting = |(name, stretch): &(&Name, usize)| {
                    name.name == table.name && *stretch < place.stretch
                };
                written.iter().any(is_waiting).then_some(table)
            });
            if let Some(table) = altered {
                let why = format!(
                    "alters {table}, whose rows were written before the last COMMIT: what is \
                     deferred may wait for it"
                );
                return self.not_left_out_at(statement.line, statement, why);
            }
            // Before a BEGIN they stand as in a file that has none.
            let rows = statement.acts.iter().filter_map(|act| match &act.what {
                What::Insert { table, .. }
                | What::Update { table, .. }
                | What::Delete { table, .. } => Some((table, place.stretch)),
                _ => None,
            });
            written.extend(rows.filter(|_| place.is_within));
        }
    }

    /// Values of enums that the runner's transaction would add and use.
    fn find_enum_values(&mut self, places: &[Place]) {
        let mut added: Vec<(Added, Place)> = Vec::new();
        for (statement, place) in self.script.statements.iter().zip(places) {
            let values = added.iter().map(|(added, _)| added);
            if let Some(at) = enums::used(values, statement, self.sql) {
                let (value, then) = &added[at];
                let is_own = place.is_within && place == then;
                self.add(statement, value.used(is_own));
                added.remove(at);
            }
            let new = enums::added(statement).map(|added| (added, *place));
            added.extend(new);
            for (value, _) in &mut added {
                value.follow(statement, self.sql);
            }
        }
    }

    fn add(&mut self, statement: &Statement, trouble: Trouble) {
        self.add_at(statement.line, statement, trouble);
    }

    fn add_at(&mut self, line: u32, statement: &Statement, trouble: Trouble) {
        self.faults.push(TransactionFault {
            line,
            text: excerpt(self.sql.get(statement.range.clone()).unwrap_or_default()),
            trouble,
        });
    }

    fn not_left_out(&mut self, statement: &Statement, why: &str) {
        self.not_left_out_at(statement.line, statement, why.to_owned());
    }

    fn not_left_out_at(&mut self, line: u32, statement: &Statement, why: String) {
        self.add_at(line, statement, Trouble::NotLeftOut(why));
    }
}

impl LeftOut {
    fn of(statement: &Statement) -> LeftOut {
        LeftOut {
            line: statement.line,
            range: statement.range.clone(),
        }
    }
}

/// Procedures of the file that end the transaction that calls them.
#[derive(Default)]
struct Enders<'a> {
    names: Vec<&'a str>,
}

impl<'a> Enders<'a> {
    fn is_one(&self, act: &Act) -> bool {
        match &act.what {
            What::Hindered(Hindrance::EndsTransaction) => true,
            What::Call(name) => self.names.contains(&name.name.as_str()),
            _ => false,
        }
    }

    fn follow(&mut self, statement: &'a Statement) {
        for act in &statement.acts {
            if let What::CreateRoutine { name, body, .. } = &act.what {
                let ends = body.iter().any(|act| self.is_one(act));
                self.names.retain(|known| ends || *known != name.name);
                if ends {
                    self.names.push(&name.name);
                }
            }
        }
    }
}

/// Whether something of a statement ends with its transaction, also in code that it keeps.
fn is_bounded(acts: &[Act]) -> bool {
    acts.iter().any(|act| match &act.what {
        What::Bounded => true,
        What::CreateRoutine { body, .. } => is_bounded(body),
        _ => false,
    })
}

/// Whether a statement changes what its acts name, and not only rows, nor shows them in a view.
fn alters(statement: &Statement) -> bool {
    let shows = |act: &Act| matches!(&act.what, What::CreateTable(create) if create.dependent);
    statement
        .acts
        .iter()
        .any(|act| matches!(act.what, What::Truncate { .. }))
        || statement.kind != Kind::Data && !statement.acts.iter().any(shows)
}

/// The table that an act alters as a whole, so that no event of its rows may wait.
fn altered(what: &What) -> Option<&Name> {
    match what {
        What::RenameTable { from: table, .. }
        | What::RenameColumn { table, .. }
        | What::AddColumn { table, .. }
        | What::DropColumn { table, .. }
        | What::ChangeType { table, .. }
        | What::Truncate { table, .. }
        | What::DropTable(table)
        | What::Touch(table) => Some(table),
        _ => None,
    }
}
