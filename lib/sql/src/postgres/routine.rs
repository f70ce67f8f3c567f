//! Code that a statement keeps for later: functions, procedures, triggers, rules, views.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, children, descendants, has, identifier, name, string, tokens};
use super::{Reader, Scope, hinder, table};
use crate::act::{Act, Name, TriggerName, What};

/// What a definition keeps, or None if the node is none. It runs nothing by itself.
pub(super) fn definition(node: &SyntaxNode, scope: &Scope) -> Option<Vec<What>> {
    use SyntaxKind::*;
    Some(match node.kind() {
        CREATE_FUNCTION => routine(node, FUNCTION_NAME, scope).into_iter().collect(),
        CREATE_PROCEDURE => routine(node, PROCEDURE_NAME, scope).into_iter().collect(),
        DROP_FUNCTION | DROP_PROCEDURE | DROP_ROUTINE => dropped(node),
        ALTER_FUNCTION | ALTER_PROCEDURE | ALTER_ROUTINE => vec![renamed(node)?],
        CREATE_TRIGGER => child(node, ON_RELATION)
            .and_then(|on| name(&on))
            .map(|table| What::CreateTrigger {
                name: trigger_name(node, TRIGGER),
                table,
                body: calls(node, scope),
            })
            .into_iter()
            .collect(),
        DROP_TRIGGER => vec![What::DropTrigger {
            name: trigger_name(node, TRIGGER_REF),
            table: Some(child(node, ON_RELATION).and_then(|on| name(&on))?),
        }],
        DROP_RULE => vec![What::DropTrigger {
            name: trigger_name(node, RULE_REF),
            table: Some(child(node, ON_RELATION).and_then(|on| name(&on))?),
        }],
        ALTER_TRIGGER => {
            let to = child(node, TRIGGER_RENAME_TO)?;
            vec![What::RenameTrigger {
                table: child(node, ON_RELATION).and_then(|on| name(&on))?,
                from: trigger_name(node, TRIGGER_REF),
                to: trigger_name(&to, TRIGGER),
            }]
        }
        CREATE_RULE => rule(node, scope).into_iter().collect(),
        // Writing to a view writes to its tables; reading one runs its functions.
        CREATE_VIEW => {
            let sources = descendants(node, RELATION_NAME_REF).filter_map(|table| name(&table));
            let calls = calls(node, scope).into_iter().map(|act| act.what);
            let view = child(node, VIEW).and_then(|view| name(&view));
            let view = view.map(|view| What::CreateTable(table::elsewhere(view)));
            sources.map(What::Touch).chain(view).chain(calls).collect()
        }
        _ => return None,
    })
}

/// The name below a definition of a trigger or a rule, by the kind of its node.
fn trigger_name(node: &SyntaxNode, kind: SyntaxKind) -> TriggerName {
    let name = child(node, kind).map_or_else(String::new, |name| identifier(&name));
    match kind {
        SyntaxKind::RULE | SyntaxKind::RULE_REF => TriggerName::Rule(name),
        _ => TriggerName::Trigger(name),
    }
}

fn dropped(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    node.descendants()
        .filter(|below| matches!(below.kind(), FUNCTION_SIG | PROCEDURE_SIG | ROUTINE_SIG))
        .filter_map(|signature| {
            let args = child(&signature, PARAM_LIST);
            // What can't be told must not pass for any.
            let unknown = || vec!["?".to_owned()];
            Some(What::DropRoutine {
                name: name(&signature.first_child()?)?,
                args: match args {
                    Some(args) => Some(arguments(&args).unwrap_or_else(unknown)),
                    None if node.kind() == DROP_FUNCTION => None,
                    None => Some(unknown()),
                },
            })
        })
        .collect()
}

fn renamed(node: &SyntaxNode) -> Option<What> {
    use SyntaxKind::*;
    let signature = node
        .children()
        .find(|below| matches!(below.kind(), FUNCTION_SIG | PROCEDURE_SIG | ROUTINE_SIG))?;
    let to = node.children().find(|action| {
        matches!(
            action.kind(),
            FUNCTION_RENAME_TO | PROCEDURE_RENAME_TO | ROUTINE_RENAME_TO
        )
    })?;
    Some(What::RenameRoutine {
        from: name(&signature.first_child()?)?,
        to: name(&to.last_child()?)?.name,
    })
}

/// The types by which the server tells a routine from others of its name: those of what goes in. None
/// where they can't be told.
fn arguments(list: &SyntaxNode) -> Option<Vec<String>> {
    use SyntaxKind::*;
    let mut types = Vec::new();
    for param in children(list, PARAM) {
        // A procedure's OUT is part of its name since 14, and was not before.
        if has(&param, PARAM_OUT) || has(&param, PARAM_VARIADIC) {
            return None;
        }
        types.push(super::types::of(&param)?.to_string());
    }
    Some(types)
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
            if_exists: false,
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
        name: trigger_name(node, SyntaxKind::RULE),
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
        args: child(node, PARAM_LIST).and_then(|list| arguments(&list)),
        is_function: kind == FUNCTION_NAME,
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
