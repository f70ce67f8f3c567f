use crate::lex::{Class, lex};
use crate::lines::Lines;
use crate::rules::allowable;
use crate::{Dialect, OUT_OF_ORDER};

/// What a file says to Lockstep in `-- lockstep: …` lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The line of `no-transaction`, if the file asks to run outside a transaction.
    pub no_transaction: Option<u32>,
    /// The reviewed exceptions, in order.
    pub allowances: Vec<Allowance>,
    /// Directives that say nothing that counts: misspelt, misplaced, without a reason.
    pub problems: Vec<Problem>,
}

/// One `-- lockstep: allow RULE because REASON`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// One of [`allowable`].
    pub rule: &'static str,
    /// Never empty.
    pub reason: String,
    /// 1-based.
    pub line: u32,
}

/// A directive that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 1-based.
    pub line: u32,
    /// What is wrong with it, as a clause.
    pub message: String,
}

impl Directives {
    /// The reason for which the file allows what `rule` forbids.
    pub fn reason(&self, rule: &str) -> Option<&str> {
        reason(&self.allowances, rule)
    }

    /// Whether the file allows itself to sort before an applied one.
    pub fn allows_out_of_order(&self) -> bool {
        self.reason(OUT_OF_ORDER).is_some()
    }
}

/// The first reason for which a rule may be broken.
pub(crate) fn reason<'a>(allowances: &'a [Allowance], rule: &str) -> Option<&'a str> {
    let allowance = allowances.iter().find(|allowed| allowed.rule == rule)?;
    Some(&allowance.reason)
}

/// The directives of a file. Only a real `--` comment holds one: never a string, a dollar-quoted
/// body, COPY data or a block comment. `no-transaction` counts only before the first token, because
/// it changes how everything after it runs; `allow` counts anywhere.
///
/// In a text that can't be cut into tokens, the directives before the fault count; [`crate::parse`]
/// reports the fault itself.
pub fn directives(dialect: Dialect, sql: &str) -> Directives {
    let lexed = lex(dialect, sql);
    let lines = Lines::of(sql);
    let mut directives = Directives::default();
    let mut leading = true;
    for lexeme in &lexed.lexemes {
        let text = lexeme.text(sql);
        let (comment, is_line) = match lexeme.class {
            Class::LineComment => (text.trim_start_matches('-'), true),
            Class::BlockComment => (text.trim_start_matches(['/', '*']), false),
            _ => {
                leading = false;
                continue;
            }
        };
        let Some(order) = order(comment.trim()) else {
            continue;
        };
        let line = lines.at(lexeme.range.start);
        let problem = match order {
            Order::WithoutColon => Err("a directive is written -- lockstep: with a colon".into()),
            Order::Order(_) if !is_line => {
                Err("a directive counts only in a -- comment of its own".into())
            }
            Order::Order(order) => directives.follow(order, line, leading),
        };
        if let Err(message) = problem {
            directives.problems.push(Problem { line, message });
        }
    }
    directives
}

enum Order<'a> {
    Order(&'a str),
    /// `lockstep allow …`: surely meant as one.
    WithoutColon,
}

fn order(comment: &str) -> Option<Order<'_>> {
    const NAME: &str = "lockstep";
    let name = comment.get(..NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let rest = comment[NAME.len()..].trim_start();
    if let Some(order) = rest.strip_prefix(':') {
        return Some(Order::Order(order.trim()));
    }
    let first = rest.split_whitespace().next()?;
    matches!(first, "allow" | "no-transaction").then_some(Order::WithoutColon)
}

impl Directives {
    fn follow(&mut self, order: &str, line: u32, leading: bool) -> Result<(), String> {
        let (verb, rest) = order
            .split_once(char::is_whitespace)
            .map_or((order, ""), |(verb, rest)| (verb, rest.trim()));
        match (verb, rest) {
            ("no-transaction", "") if leading => {
                self.no_transaction.get_or_insert(line);
                Ok(())
            }
            ("no-transaction", "") => {
                Err("no-transaction counts only before the first statement".into())
            }
            ("no-transaction", _) => Err("no-transaction takes nothing after it".into()),
            ("allow", rest) => {
                self.allowances.push(allowance(rest, line)?);
                Ok(())
            }
            ("", _) => Err("a directive without a word".into()),
            (verb, _) => Err(format!("there is no directive {verb}")),
        }
    }
}

fn allowance(text: &str, line: u32) -> Result<Allowance, String> {
    let mut words = text.splitn(3, char::is_whitespace);
    let name = words.next().unwrap_or_default();
    if name.is_empty() {
        return Err("allow names no rule".into());
    }
    let Some(rule) = allowable().find(|rule| *rule == name) else {
        return Err(format!("there is no rule {name} to allow"));
    };
    let because = words.next() == Some("because");
    let reason = words.next().unwrap_or_default().trim();
    if !because || reason.is_empty() {
        return Err(format!("allow {rule} needs a reason: because …"));
    }
    Ok(Allowance {
        rule,
        reason: reason.to_owned(),
        line,
    })
}
