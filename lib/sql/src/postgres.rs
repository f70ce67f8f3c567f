//! PostgreSQL's statements, by squawk's parser, whose tree keeps every token.

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use crate::act::{Act, What};
use crate::script::{Kind, Script, Source, Statement, SyntaxError, excerpt};

mod alter;
mod block;
mod expr;
mod fault;
mod hinder;
mod routine;
mod table;
mod tree;
mod types;

pub(crate) use types::printed as printed_type;

pub(crate) fn read(source: &Source) -> Script {
    let text = source.sql_only();
    let line_of = |offset: usize| source.lines.at(offset);
    let parse = SourceFile::parse(&text);
    let mut script = Script::empty(crate::Dialect::Postgres);
    let mut semicolons = source.lexed.semicolons().peekable();
    let mut first_of_statement = true;
    for error in parse.errors() {
        let at = usize::from(error.range().start());
        while semicolons.next_if(|semicolon| *semicolon < at).is_some() {
            first_of_statement = true;
        }
        // The parser stumbles on until the statement ends: those errors follow from the first.
        if std::mem::take(&mut first_of_statement) {
            script.errors.push(SyntaxError {
                line: line_of(at),
                message: near(&text, at, error.message()),
            });
        }
    }
    for node in parse.syntax_node().children() {
        let Some(range) = tree::text_range(&node) else {
            continue;
        };
        if node.kind() == SyntaxKind::ERROR {
            continue;
        }
        let mut reader = Reader {
            acts: Vec::new(),
            errors: Vec::new(),
        };
        let scope = Scope {
            line_of: &line_of,
            certain: true,
            depth: 0,
        };
        reader.read(&node, &scope);
        script.errors.append(&mut reader.errors);
        script.statements.push(Statement {
            line: line_of(range.start),
            range,
            kind: kind(&node),
            acts: reader.acts,
            control: hinder::control(&node),
        });
    }
    script
}

/// A parser's message with the text that it is about, since it says only what it expected.
fn near(text: &str, at: usize, message: &str) -> String {
    let rest = text.get(at..).unwrap_or_default().trim_start();
    let rest = rest.lines().next().unwrap_or_default();
    if rest.is_empty() {
        format!("{message} at the end")
    } else {
        format!("near \"{}\": {message}", excerpt(rest))
    }
}

/// Where a tree stands in the source.
struct Scope<'a> {
    /// From an offset in the tree's text to a line of the source.
    line_of: &'a dyn Fn(usize) -> u32,
    /// Whether what the tree says is surely done.
    certain: bool,
    /// How many blocks of code the tree is in.
    depth: usize,
}

/// Collects what a statement does, wherever in it that is said.
struct Reader {
    acts: Vec<Act>,
    errors: Vec<SyntaxError>,
}

impl Reader {
    fn read(&mut self, root: &SyntaxNode, scope: &Scope) {
        // By hand and not by recursion: a chain of operators is as deep as it is long.
        let mut pending = vec![root.clone()];
        while let Some(node) = pending.pop() {
            if is_explained(&node) {
                continue;
            }
            let line = (scope.line_of)(tree::start(&node));
            if let Some(fault) = fault::of(&node) {
                self.error(line, near(&node.to_string(), 0, fault));
            }
            let kept = routine::definition(&node, scope);
            let runs = kept.is_none();
            let whats = kept.unwrap_or_else(|| {
                let mut whats = table::acts(&node);
                whats.extend(hinder::acts(&node));
                whats.extend(routine::called(&node).map(What::Call));
                whats
            });
            let if_exists = says_if_exists(&node);
            for what in whats {
                self.acts.push(Act {
                    line,
                    certain: scope.certain,
                    if_exists,
                    what,
                });
            }
            if !runs {
                continue;
            }
            self.read_code(&node, line, scope);
            let children: Vec<SyntaxNode> = node.children().collect();
            pending.extend(children.into_iter().rev());
        }
    }

    fn act(&mut self, line: u32, what: What) {
        self.acts.push(Act {
            line,
            certain: false,
            if_exists: false,
            what,
        });
    }

    fn error(&mut self, line: u32, message: String) {
        self.errors.push(SyntaxError { line, message });
    }
}

/// Whether a statement, or an action of ALTER TABLE, or the statement that this is one of, says IF EXISTS.
fn says_if_exists(node: &SyntaxNode) -> bool {
    let says = |node: &SyntaxNode| tree::has(node, SyntaxKind::IF_EXISTS);
    let altered = node
        .parent()
        .filter(|parent| parent.kind() == SyntaxKind::ALTER_TABLE);
    says(node) || altered.is_some_and(|parent| says(&parent))
}

/// Whether a node says only how a statement would be carried out.
fn is_explained(node: &SyntaxNode) -> bool {
    if node.kind() != SyntaxKind::EXPLAIN {
        return false;
    }
    let is_analyze =
        |kind: SyntaxKind| matches!(kind, SyntaxKind::ANALYZE_KW | SyntaxKind::ANALYSE_KW);
    let Some(options) = tree::child(node, SyntaxKind::EXPLAIN_OPTION_LIST) else {
        return !tree::tokens(node).any(|token| is_analyze(token.kind()));
    };
    // The last one counts, and none but a word for "off" turns it off.
    let analyze = tree::children(&options, SyntaxKind::EXPLAIN_OPTION)
        .filter(|option| {
            tree::tokens(option)
                .next()
                .is_some_and(|t| is_analyze(t.kind()))
        })
        .last();
    analyze.is_none_or(|option| {
        let value = tree::tokens(&option).nth(1);
        value.is_some_and(|value| {
            let value = value.text().trim_matches('\'').to_ascii_lowercase();
            matches!(value.as_str(), "false" | "off" | "0")
        })
    })
}

fn kind(node: &SyntaxNode) -> Kind {
    use SyntaxKind::*;
    match node.kind() {
        SELECT | COMPOUND_SELECT | PAREN_SELECT | VALUES | TABLE | SHOW | EXPLAIN => Kind::Query,
        INSERT | UPDATE | DELETE | MERGE | TRUNCATE | COPY => Kind::Data,
        BEGIN
        | COMMIT_TRANSACTION
        | COMMIT_PREPARED
        | ROLLBACK_TRANSACTION
        | ROLLBACK_PREPARED
        | ROLLBACK_TO_SAVEPOINT
        | PREPARE_TRANSACTION
        | SAVEPOINT_CREATE
        | RELEASE_SAVEPOINT
        | SET_TRANSACTION
        | SET_CONSTRAINTS => Kind::Transaction,
        SET | SET_ROLE | SET_SESSION_AUTH | RESET | RESET_ROLE | RESET_SESSION_AUTH | DISCARD
        | PREPARE | DEALLOCATE | DECLARE | FETCH | MOVE | CLOSE | LISTEN | UNLISTEN | NOTIFY
        | LOCK | LOAD => Kind::Session,
        VACUUM | ANALYZE | REINDEX | CLUSTER | REPACK | CHECKPOINT | REFRESH => Kind::Maintenance,
        DO | CALL | EXECUTE => Kind::Code,
        _ => Kind::Definition,
    }
}
