use super::{Loss, Moment};
use crate::act::What;

pub(super) fn dropped(moment: &Moment) -> Option<Loss> {
    let What::DropSchema(schema) = moment.what else {
        return None;
    };
    let history = moment.history;
    let finds_nothing = moment.may_find_nothing && history.is_absent_schema(schema);
    (!history.is_new_schema(schema) && !finds_nothing).then(|| Loss {
        subject: schema.clone(),
        message: "the schema is dropped".to_owned(),
        is_note: false,
    })
}

pub(super) fn database_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropDatabase(database) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: database.clone(),
        message: "the database is dropped".to_owned(),
        is_note: false,
    })
}

pub(super) fn owned_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropOwned(role) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: role.clone(),
        message: "everything that the role owns is dropped".to_owned(),
        is_note: false,
    })
}

pub(super) fn extension_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropExtension(extension) = moment.what else {
        return None;
    };
    let finds_nothing = moment.may_find_nothing && moment.history.is_absent_extension(extension);
    (!finds_nothing).then(|| Loss {
        subject: extension.clone(),
        message: "the extension is dropped with the tables and types that belong to it".to_owned(),
        is_note: false,
    })
}

pub(super) fn cascaded(moment: &Moment) -> Option<Loss> {
    let What::DropCascade { what, name } = moment.what else {
        return None;
    };
    let finds_nothing = moment.may_find_nothing
        && matches!(*what, "type" | "domain")
        && moment.history.is_absent_type(name);
    (!finds_nothing).then(|| Loss {
        subject: name.to_string(),
        message: format!("the {what} is dropped with every column that uses it"),
        is_note: false,
    })
}
