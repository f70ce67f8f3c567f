//! What does not go with the runner's transaction or its session.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{
    child, children, descendant_token, descendants, has, identifier, name, string, tokens,
};
use crate::Hindrance;
use crate::act::What;
use crate::server_settings;
use crate::transactions::Control;

/// What a statement does to the transaction around it, if that is what it is for.
pub(super) fn control(node: &SyntaxNode) -> Option<Control> {
    use SyntaxKind::*;
    let chain = || descendants(node, AND_CHAIN).next().is_some();
    Some(match node.kind() {
        BEGIN => Control::Begin {
            plain: node
                .children()
                .flat_map(|modes| modes.children())
                .all(|mode| matches!(mode.kind(), READ_WRITE | READ_COMMITTED | NOT_DEFERRABLE)),
        },
        COMMIT_TRANSACTION => Control::Commit { chain: chain() },
        ROLLBACK_TRANSACTION => Control::Rollback { chain: chain() },
        PREPARE_TRANSACTION => Control::Prepare,
        SAVEPOINT_CREATE => Control::Savepoint(identifier(&child(node, SAVEPOINT)?)),
        RELEASE_SAVEPOINT => Control::Release(identifier(&child(node, SAVEPOINT_REF)?)),
        ROLLBACK_TO_SAVEPOINT => Control::RollbackTo(identifier(&child(node, SAVEPOINT_REF)?)),
        SET_TRANSACTION if !has(node, SESSION_CHARACTERISTICS) => Control::Modes,
        LOCK => Control::Needs,
        DECLARE if descendants(node, WITH_HOLD).next().is_none() => Control::Needs,
        _ => return None,
    })
}

pub(super) fn acts(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    let hindered = |hindrance| vec![What::Hindered(hindrance)];
    match node.kind() {
        BEGIN | COMMIT_TRANSACTION | PREPARE_TRANSACTION | PLPGSQL_COMMIT_STMT => {
            hindered(Hindrance::EndsTransaction)
        }
        // What was made, dropped or renamed before it may be as it was.
        ROLLBACK_TRANSACTION | PLPGSQL_ROLLBACK_STMT => {
            vec![What::Hindered(Hindrance::EndsTransaction), What::ForgetAll]
        }
        ROLLBACK_TO_SAVEPOINT => vec![What::ForgetAll],
        VACUUM | CREATE_DATABASE | DROP_DATABASE | ALTER_SYSTEM | CREATE_TABLESPACE
        | DROP_TABLESPACE | CREATE_SUBSCRIPTION | DROP_SUBSCRIPTION | COMMIT_PREPARED
        | ROLLBACK_PREPARED => hindered(Hindrance::NeedsNoTransaction),
        CREATE_INDEX | DROP_INDEX if has(node, CONCURRENTLY_KW) => {
            hindered(Hindrance::NeedsNoTransaction)
        }
        DETACH_CONCURRENTLY => hindered(Hindrance::NeedsNoTransaction),
        REINDEX if reindexes_in_steps(node) => hindered(Hindrance::NeedsNoTransaction),
        // Without a table it goes through all of them, one transaction each.
        CLUSTER | REPACK if descendants(node, PATH_REF).next().is_none() => {
            hindered(Hindrance::NeedsNoTransaction)
        }
        REPACK if descendant_token(node, CONCURRENTLY_KW).is_some() => {
            hindered(Hindrance::NeedsNoTransaction)
        }
        ALTER_DATABASE if has(node, SET_TABLESPACE) => hindered(Hindrance::NeedsNoTransaction),
        ALTER_SUBSCRIPTION if descendant_token(node, PUBLICATION_KW).is_some() => {
            hindered(Hindrance::NeedsNoTransaction)
        }
        DISCARD if descendants(node, DISCARD_ALL).next().is_some() => {
            let mut acts = hindered(Hindrance::ReleasesLock);
            acts.push(What::ForgetPath);
            acts
        }
        COPY_STDIN => hindered(Hindrance::CopyFromStdin),
        COPY_STDOUT => hindered(Hindrance::CopyToStdout),
        SET | SET_ROLE | SET_SESSION_AUTH if is_local(node) => {
            // Outside a transaction it has no effect, and at the end of one it is gone.
            let path = match node.kind() {
                SET if !sets_path(node) => None,
                _ => Some(What::ForgetPath),
            };
            path.into_iter().chain([What::Bounded]).collect()
        }
        SET if sets_path(node) => vec![What::SetPath(path(node))],
        SET_CONSTRAINTS => vec![What::Bounded],
        // Whose "$user" schema and temporary tables a name means.
        SET_ROLE | SET_SESSION_AUTH | RESET | RESET_ROLE | RESET_SESSION_AUTH | DISCARD => {
            vec![What::ForgetPath]
        }
        CALL_EXPR => call(node),
        _ => Vec::new(),
    }
}

fn reindexes_in_steps(node: &SyntaxNode) -> bool {
    use SyntaxKind::*;
    has(node, REINDEX_TARGET_SCHEMA)
        || has(node, REINDEX_TARGET_DATABASE)
        || has(node, REINDEX_TARGET_SYSTEM)
        || descendant_token(node, CONCURRENTLY_KW).is_some()
}

fn is_local(node: &SyntaxNode) -> bool {
    tokens(node)
        .nth(1)
        .is_some_and(|token| token.kind() == SyntaxKind::LOCAL_KW)
}

fn sets_path(node: &SyntaxNode) -> bool {
    has(node, SyntaxKind::SET_SCHEMA_VALUE)
        || setting(node).is_some_and(|name| name == "search_path")
}

/// The schemas that a SET names. None if what they mean depends on the role, on what was set before,
/// or on the session.
fn path(node: &SyntaxNode) -> Option<Vec<String>> {
    let value = node.descendants().find(|below| {
        matches!(
            below.kind(),
            SyntaxKind::TO_CONFIG_VALUE | SyntaxKind::SET_SCHEMA_VALUE
        )
    })?;
    let names = value.children().map(|named| match named.kind() {
        SyntaxKind::LITERAL => string(&named),
        SyntaxKind::CONFIG_VALUE_NAME => Some(identifier(&named)),
        _ => None,
    });
    let names: Vec<String> = names.collect::<Option<_>>()?;
    (!names.is_empty() && !has_special(&names)).then_some(names)
}

fn has_special(path: &[String]) -> bool {
    path.iter()
        .any(|name| name == "$user" || name.starts_with("pg_temp"))
}

/// The setting that a SET names, or the clause of a function.
fn setting(node: &SyntaxNode) -> Option<String> {
    let config = match node.kind() {
        SyntaxKind::SET_CONFIG_PARAM => node.clone(),
        _ => child(node, SyntaxKind::SET_CONFIG)?,
    };
    let parameter = child(&config, SyntaxKind::CONFIG_PARAMETER_REF)?;
    Some(name(&parameter)?.to_string())
}

/// What a node changes that makes the server read a text in another way than the parser does, if it
/// does: a SET, a call of `set_config`, the clause of a function.
pub(super) fn misread_after(node: &SyntaxNode) -> Option<&'static str> {
    match node.kind() {
        SyntaxKind::SET => {}
        // ALTER ROLE and ALTER DATABASE are for sessions to come, which pin their own.
        SyntaxKind::SET_CONFIG_PARAM
            if node
                .parent()
                .is_some_and(|parent| parent.kind() == SyntaxKind::SET_FUNC_OPTION) => {}
        SyntaxKind::CALL_EXPR if function_name(node).as_deref() == Some("set_config") => {
            let [name, value] = config_arguments(node);
            return server_settings::misread_by(&name?, &value.unwrap_or_default());
        }
        _ => return None,
    }
    let value = node
        .descendants()
        .find(|below| below.kind() == SyntaxKind::TO_CONFIG_VALUE)?;
    if has(&value, SyntaxKind::DEFAULT_KW) {
        return None;
    }
    let text = tokens(&value).last()?;
    server_settings::misread_by(&setting(node)?, text.text().trim_matches(['\'', '"']))
}

fn call(node: &SyntaxNode) -> Vec<What> {
    match function_name(node).as_deref() {
        Some("set_config") => config(node),
        Some("pg_advisory_unlock" | "pg_advisory_unlock_shared" | "pg_advisory_unlock_all") => {
            vec![What::Hindered(Hindrance::ReleasesLock)]
        }
        _ => Vec::new(),
    }
}

/// The last part of the name of the function that is called.
fn function_name(call: &SyntaxNode) -> Option<String> {
    let last = tokens(&call.first_child()?).last()?;
    Some(last.text().to_ascii_lowercase())
}

/// The name and the value that `set_config` is called with, as far as they are constants.
fn config_arguments(call: &SyntaxNode) -> [Option<String>; 2] {
    let args = child(call, SyntaxKind::ARG_LIST);
    let args = args.iter().flat_map(|args| children(args, SyntaxKind::ARG));
    let mut texts = args.map(|arg| string(&arg.first_child()?));
    [texts.next().flatten(), texts.next().flatten()]
}

/// `set_config('search_path', '…', …)`.
fn config(node: &SyntaxNode) -> Vec<What> {
    // Its third argument says whether it is local.
    let mut acts = match descendant_token(node, SyntaxKind::FALSE_KW) {
        Some(_) => Vec::new(),
        None => vec![What::Bounded],
    };
    acts.extend(set_by_call(node));
    acts
}

fn set_by_call(node: &SyntaxNode) -> Vec<What> {
    let [name, value] = config_arguments(node);
    let Some(name) = name else {
        // It may be any setting.
        return vec![
            What::SetPath(None),
            What::Unread {
                subject: "set_config".to_owned(),
                message: "the setting is named at run time".to_owned(),
            },
        ];
    };
    if !name.eq_ignore_ascii_case("search_path") {
        return Vec::new();
    }
    let path = value.map(|value| crate::search_path(&value, "$user"));
    vec![What::SetPath(path.filter(|path| !has_special(path)))]
}
