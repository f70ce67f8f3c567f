mod corpus;
mod depth;
mod digest;
mod directives;
mod hindrances;
mod parse;
mod rules;
mod server_settings;
mod transactions;

/// Whether a statement, or code that it keeps, can't be read, with these words among the reasons.
fn unread(script: &crate::Script, words: &str) -> bool {
    fn within(acts: &[crate::act::Act], words: &str) -> bool {
        use crate::act::What;
        acts.iter().any(|act| match &act.what {
            What::Unread { message, .. } => message.contains(words),
            What::CreateRoutine { body, .. } => within(body, words),
            _ => false,
        })
    }
    let mut statements = script.statements.iter();
    statements.any(|statement| within(&statement.acts, words))
}
