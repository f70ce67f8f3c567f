//! Code that a statement runs at once: the body of DO, and what it hands to EXECUTE.

use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::tree::{child, string};
use super::{Reader, Scope, hinder, near};
use crate::Dialect;
use crate::act::What;
use crate::lex::{Class, Lexeme, lex};

/// Blocks within blocks within strings: nobody writes more, and each level is a parser's run.
const DEPTH_MAX: usize = 8;

impl Reader {
    /// Reads the code that a node runs, if it does.
    pub(super) fn read_code(&mut self, node: &SyntaxNode, line: u32, scope: &Scope) {
        match node.kind() {
            SyntaxKind::DO => self.read_do(node, line, scope),
            SyntaxKind::PLPGSQL_DYN_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_FOR_DYN_STMT
            | SyntaxKind::PLPGSQL_RETURN_QUERY_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_OPEN_EXECUTE => self.read_execute(node, line, scope),
            _ => {
                if let Some(what) = hinder::misread_after(node) {
                    self.error(line, what.to_owned());
                }
            }
        }
    }

    fn read_do(&mut self, node: &SyntaxNode, line: u32, scope: &Scope) {
        let Some(block) = ast::Do::cast(node.clone()) else {
            return;
        };
        let language = block
            .do_language()
            .and_then(|language| language.language_name());
        if let Some(language) = language
            && language.name != "plpgsql"
        {
            self.act(
                line,
                What::Unread {
                    subject: "DO".to_owned(),
                    message: format!("a block in {} can't be read", language.name),
                },
            );
            return;
        }
        let Some(body) = block.body().and_then(|body| body.decoded_value()) else {
            return self.error(line, "the body of DO can't be read".to_owned());
        };
        if scope.depth >= DEPTH_MAX {
            return self.error(line, "blocks nested too deep".to_owned());
        }
        let line_of = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            (scope.line_of)(usize::from(body.source_pos(offset.into())))
        };
        let within = Scope {
            line_of: &line_of,
            certain: false,
            depth: scope.depth + 1,
        };
        self.read_block(body.text(), &within);
    }

    /// Reads the text of a PL/pgSQL block.
    pub(super) fn read_block(&mut self, text: &str, scope: &Scope) {
        let text = without_into(text);
        let tag = tag(&text);
        let prefix = format!("DO {tag}");
        let parse = SourceFile::parse(&format!("{prefix}{text}{tag}"));
        let block = parse
            .syntax_node()
            .first_child()
            .and_then(ast::Do::cast)
            .and_then(|block| block.plpgsql());
        let Some(block) = block else {
            return self.error(
                (scope.line_of)(0),
                "the body of DO can't be read".to_owned(),
            );
        };
        for error in block.errors() {
            // Offsets of errors are those of the statement around the block.
            let at = usize::from(error.range().start()).saturating_sub(prefix.len());
            let message = near(&text, at, error.message());
            self.error((scope.line_of)(at), message);
        }
        self.read(&block.syntax(), scope);
    }

    /// EXECUTE of a constant is as good as the statement itself; of anything else it is unread.
    fn read_execute(&mut self, node: &SyntaxNode, line: u32, scope: &Scope) {
        let constant = child(node, SyntaxKind::PLPGSQL_EXPR)
            .and_then(|expr| child(&expr, SyntaxKind::TARGET_LIST))
            .and_then(|list| list.first_child())
            .and_then(|target| target.first_child())
            .and_then(|literal| string(&literal));
        let Some(text) = constant else {
            return self.act(
                line,
                What::Unread {
                    subject: "EXECUTE".to_owned(),
                    message: "EXECUTE runs a text that is made at run time".to_owned(),
                },
            );
        };
        if scope.depth >= DEPTH_MAX {
            return self.error(line, "blocks nested too deep".to_owned());
        }
        let within = Scope {
            line_of: &|_| line,
            certain: false,
            depth: scope.depth + 1,
        };
        self.read_text(&text, &within);
    }

    /// Reads statements that stand in a string.
    pub(super) fn read_text(&mut self, text: &str, scope: &Scope) {
        let parse = SourceFile::parse(text);
        for error in parse.errors() {
            let at = usize::from(error.range().start());
            self.error((scope.line_of)(at), near(text, at, error.message()));
        }
        for statement in parse.syntax_node().children() {
            self.read(&statement, scope);
        }
    }
}

/// A dollar quote that does not occur in the text.
fn tag(text: &str) -> String {
    let mut tag = "$lockstep$".to_owned();
    let mut number = 0u32;
    while text.contains(&tag) {
        number += 1;
        tag = format!("$lockstep{number}$");
    }
    tag
}

/// The text with blanks in place of `INTO target` in its queries. PL/pgSQL cuts that out before the
/// SQL parser sees the query (PostgreSQL's `pl_gram.y`, `make_execsql_stmt`), and squawk's grammar of
/// blocks leaves such queries to others.
///
/// What follows INTO is `STRICT` and names with dots, brackets and commas: no more than that goes.
fn without_into(text: &str) -> String {
    let lexed = lex(Dialect::Postgres, text);
    let tokens: Vec<&Lexeme> = lexed.tokens().collect();
    let mut bytes = text.as_bytes().to_vec();
    let mut depth = 0usize;
    let mut is_query = false;
    let mut at = 0;
    let word = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token: &&Lexeme| {
            token.class == Class::Word && token.text(text).eq_ignore_ascii_case(word)
        })
    };
    while let Some(token) = tokens.get(at) {
        match token.class {
            Class::Open => depth += 1,
            Class::Close => depth = depth.saturating_sub(1),
            Class::Semicolon => {
                depth = 0;
                is_query = false;
            }
            // The body of a loop begins a statement of its own.
            Class::Word if depth == 0 && word(at, "loop") => is_query = false,
            Class::Word if depth == 0 && !is_query => {
                is_query = [
                    "select", "insert", "update", "delete", "merge", "with", "values",
                ]
                .iter()
                .any(|verb| word(at, verb));
            }
            Class::Word if depth == 0 && word(at, "into") => {
                let of_verb = at > 0 && (word(at - 1, "insert") || word(at - 1, "merge"));
                if !of_verb {
                    let end = after_target(text, &tokens, at + 1);
                    let last = tokens
                        .get(end - 1)
                        .map_or(token.range.end, |last| last.range.end);
                    for byte in &mut bytes[token.range.start..last] {
                        if *byte != b'\n' {
                            *byte = b' ';
                        }
                    }
                    at = end;
                    continue;
                }
            }
            _ => (),
        }
        at += 1;
    }
    // Whole tokens were replaced by ASCII, so that this is still UTF-8.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The token after `[STRICT] target [, target …]`.
fn after_target(text: &str, tokens: &[&Lexeme], from: usize) -> usize {
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token.text(text) == what);
    let mut at = from;
    if tokens
        .get(at)
        .is_some_and(|token| token.text(text).eq_ignore_ascii_case("strict"))
    {
        at += 1;
    }
    loop {
        at += 1;
        while is(at, ".") {
            at += 2;
        }
        if is(at, "[") {
            while at < tokens.len() && !is(at, "]") {
                at += 1;
            }
            at += 1;
        }
        if !is(at, ",") {
            return at.min(tokens.len());
        }
        at += 1;
    }
}
