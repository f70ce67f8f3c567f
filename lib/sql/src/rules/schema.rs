use super::{Loss, Moment};
use crate::act::What;

pub(super) fn dropped(moment: &Moment) -> Option<Loss> {
    let What::DropSchema(schema) = moment.what else {
        return None;
    };
    (!moment.history.is_new_schema(schema)).then(|| Loss {
        subject: schema.clone(),
        message: "the schema is dropped".to_owned(),
    })
}

pub(super) fn database_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropDatabase(database) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: database.clone(),
        message: "the database is dropped".to_owned(),
    })
}

pub(super) fn owned_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropOwned(role) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: role.clone(),
        message: "everything that the role owns is dropped".to_owned(),
    })
}

pub(super) fn extension_dropped(moment: &Moment) -> Option<Loss> {
    let What::DropExtension(extension) = moment.what else {
        return None;
    };
    Some(Loss {
        subject: extension.clone(),
        message: "the extension is dropped with the tables and types that belong to it".to_owned(),
    })
}

pub(super) fn cascaded(moment: &Moment) -> Option<Loss> {
    let What::DropCascade { what, name } = moment.what else {
        return None;
    };
    Some(Loss {
        subject: name.clone(),
        message: format!("the {what} is dropped with every column that uses it"),
    })
}
