//! Code that a statement keeps for later: functions, procedures, triggers, rules, views.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, children, descendants, identifier, name, string, tokens};
use super::{Reader, Scope, hinder};
use crate::act::{Act, Name, What};

/// What a definition keeps, or None if the node is none. It runs nothing by itself.
pub(super) fn definition(node: &SyntaxNode, scope: &Scope) -> Option<Vec<What>> {
    use SyntaxKind::*;
    Some(match node.kind() {
        CREATE_FUNCTION => routine(node, FUNCTION_NAME, scope).into_iter().collect(),
        CREATE_PROCEDURE => routine(node, PROCEDURE_NAME, scope).into_iter().collect(),
        CREATE_TRIGGER => child(node, ON_RELATION)
            .and_then(|on| name(&on))
            .map(|table| What::CreateTrigger {
                table,
                body: calls(node, scope),
            })
            .into_iter()
            .collect(),
        CREATE_RULE => rule(node, scope).into_iter().collect(),
        // Writing to a view writes to its tables; reading one runs its functions.
        CREATE_VIEW => {
            let sources = descendants(node, RELATION_NAME_REF).filter_map(|table| name(&table));
            let calls = calls(node, scope).into_iter().map(|act| act.what);
            sources.map(What::Touch).chain(calls).collect()
        }
        _ => return None,
    })
}

/// The function that a call is of.
pub(super) fn called(node: &SyntaxNode) -> Option<Name> {
    let function = match node.kind() {
        SyntaxKind::CALL_EXPR => node.first_child()?,
        SyntaxKind::CALL => child(node, SyntaxKind::PROCEDURE_NAME_REF)?,
        _ => return None,
    };
    match function.kind() {
        SyntaxKind::FIELD_EXPR => {
            let parts = children(&function, SyntaxKind::NAME_REF);
            let mut parts: Vec<String> = parts.map(|part| identifier(&part)).collect();
            Some(Name {
                name: parts.pop()?,
                schema: parts.pop(),
            })
        }
        _ => name(&function),
    }
}

fn calls(node: &SyntaxNode, scope: &Scope) -> Vec<Act> {
    let calls = descendants(node, SyntaxKind::CALL_EXPR).filter_map(|call| called(&call));
    let line = (scope.line_of)(super::tree::start(node));
    calls
        .map(|function| Act {
            line,
            certain: false,
            what: What::Call(function),
        })
        .collect()
}

fn rule(node: &SyntaxNode, scope: &Scope) -> Option<What> {
    let table = child(node, SyntaxKind::RULE_ON)
        .and_then(|on| child(&on, SyntaxKind::RELATION_NAME_REF))
        .and_then(|table| name(&table))?;
    let body = child(node, SyntaxKind::RULE_DO);
    Some(What::CreateTrigger {
        table,
        body: read_apart("the rule", scope, |reader, within| {
            for statement in body.iter().flat_map(SyntaxNode::children) {
                reader.read(&statement, within);
            }
        }),
    })
}

fn routine(node: &SyntaxNode, kind: SyntaxKind, scope: &Scope) -> Option<What> {
    use SyntaxKind::*;
    let function = name(&child(node, kind)?)?;
    let subject = format!("{function}()");
    let language = descendants(node, LANGUAGE_FUNC_OPTION).next();
    let language = language.and_then(|option| tokens(&option).last());
    let language = language.map_or_else(String::new, |token| {
        token.text().trim_matches(['\'', '"']).to_ascii_lowercase()
    });
    let text = descendants(node, AS_DEFINITION)
        .next()
        .and_then(|definition| definition.first_child())
        .and_then(|literal| string(&literal));
    let atomic = child(node, ATOMIC_BODY);
    let returned = descendants(node, RETURN_STMT).next();
    let misread = descendants(node, SET_CONFIG_PARAM).find_map(|set| hinder::misread_after(&set));
    let body = read_apart(&subject, scope, |reader, within| {
        if let Some(what) = misread {
            reader.error(0, what.to_owned());
        }
        for node in atomic.iter().chain(&returned) {
            reader.read(node, within);
        }
        match (language.as_str(), &text) {
            (_, None) => (),
            ("plpgsql", Some(text)) => reader.read_block(text, within),
            ("sql", Some(text)) => reader.read_text(text, within),
            (language, Some(_)) => reader.act(
                0,
                What::Unread {
                    subject: subject.clone(),
                    message: format!("a function in {language} can't be read"),
                },
            ),
        }
    });
    Some(What::CreateRoutine {
        name: function,
        body,
    })
}

/// Reads code whose faults count only if it runs.
fn read_apart(subject: &str, scope: &Scope, read: impl FnOnce(&mut Reader, &Scope)) -> Vec<Act> {
    let mut reader = Reader {
        acts: Vec::new(),
        errors: Vec::new(),
    };
    let within = Scope {
        line_of: &|_| 0,
        certain: false,
        depth: scope.depth + 1,
    };
    read(&mut reader, &within);
    if let Some(error) = reader.errors.first() {
        let message = format!("its body can't be read: {}", error.message);
        reader.act(
            0,
            What::Unread {
                subject: subject.to_owned(),
                message,
            },
        );
    }
    reader.acts
}
