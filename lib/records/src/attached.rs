//! What hangs on Lockstep's own tables on PostgreSQL that Lockstep did not put there.
//!
//! A trigger, a rule, a default or a constraint runs code whenever a row of ours is written; a child
//! table lends its rows to a query of its parent; a policy hides rows; a grant lets somebody else
//! write. Each could change mark or ledger behind the statement that has just looked at them.

use postgres::types::Type;

use crate::{Error, Intruder, LedgerName, OWN_POSTGRES, PostgresRecords, server};

const WHAT: &str = "what hangs on Lockstep's own tables";

/// Where objects begin that the server itself did not bring (its `FirstNormalObjectId`).
const FIRST_OF_OTHERS: u32 = 16384;

/// Whether what `d` is of calls a function or an operator that the server did not bring.
const CALLS_OTHERS: &str = "EXISTS (SELECT 1 FROM pg_catalog.pg_depend f \
    WHERE f.classid = d.classid AND f.objid = d.objid AND f.refobjid >= 16384 \
    AND f.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, \
        'pg_catalog.pg_operator'::pg_catalog.regclass))";

/// Privileges that let a role change rows, or put something on the table that does.
const WRITING: &str = "('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')";

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// What hangs on Lockstep's own tables, in words: `lockstep.migrations: trigger t on table
    /// lockstep.migrations`. A view
    /// that reads them is nothing of that kind.
    ///
    /// A role that may also create in the tables' schema may have what Lockstep's own role has; whoever
    /// else may write is named.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn attached(&mut self) -> Result<Vec<String>, Error> {
        let rows = self
            .client
            .query_typed(
                &format!(
                    "WITH own AS ( \
                        SELECT c.oid, c.relkind, c.relowner, c.relacl, c.relrowsecurity, \
                            n.oid AS schema, pg_catalog.format('%I.%I', n.nspname, c.relname) AS shown \
                        FROM pg_catalog.pg_class c \
                        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE {OWN_POSTGRES} AND c.relkind IN ('r', 'p', 'f', 'v', 'm')), \
                     grants AS ( \
                        SELECT own.*, g.grantee FROM own, pg_catalog.aclexplode(own.relacl) g \
                        WHERE g.privilege_type IN {WRITING} \
                        UNION ALL \
                        SELECT own.*, g.grantee FROM own \
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid, \
                            pg_catalog.aclexplode(a.attacl) g \
                        WHERE g.privilege_type IN {WRITING}) \
                     SELECT shown || ': no plain table' FROM own WHERE relkind <> 'r' \
                     UNION \
                     SELECT shown || ': row security' FROM own WHERE relrowsecurity \
                     UNION \
                     SELECT shown || ': column ' || a.attname || ', whose type is not the server''s' \
                     FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid \
                     WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= {FIRST_OF_OTHERS} \
                     UNION \
                     SELECT shown || ': child of ' || i.inhparent::pg_catalog.regclass \
                     FROM own JOIN pg_catalog.pg_inherits i ON i.inhrelid = own.oid \
                     UNION \
                     SELECT shown || ': ' || CASE WHEN g.grantee = 0 THEN 'PUBLIC' \
                        ELSE coalesce(r.rolname, g.grantee::pg_catalog.text) END || ' may write' \
                     FROM grants g LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee \
                     WHERE g.grantee <> g.relowner AND (g.grantee = 0 \
                        OR pg_catalog.has_schema_privilege(g.grantee, g.schema, 'USAGE') \
                        AND NOT pg_catalog.has_schema_privilege(g.grantee, g.schema, 'CREATE')) \
                     UNION \
                     SELECT shown || ': ' \
                        || pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) \
                     FROM own JOIN pg_catalog.pg_depend d \
                        ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                        AND d.refobjid = own.oid \
                     WHERE CASE d.classid \
                        WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN true \
                        WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN true \
                        WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN {CALLS_OTHERS} \
                        WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN d.deptype <> 'n' \
                        WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN EXISTS ( \
                            SELECT 1 FROM pg_catalog.pg_class c \
                            LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
                            WHERE c.oid = d.objid AND (c.relkind IN ('r', 'p', 'f') \
                                OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) \
                        WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN NOT EXISTS ( \
                            SELECT 1 FROM pg_catalog.pg_constraint k \
                            WHERE k.oid = d.objid AND k.conrelid = own.oid \
                            AND k.contype IN ('p', 'u', 'c', 'n')) OR {CALLS_OTHERS} \
                        ELSE false END \
                     ORDER BY 1"
                ),
                &[(&self.ledger.as_str(), Type::TEXT)],
            )
            .map_err(server(WHAT))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The same, table by table.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn intruders(&mut self) -> Result<Vec<Intruder>, Error> {
        let attached = self.attached()?;
        let intruder = |text: &String| {
            let (table, message) = text.split_once(": ").unwrap_or(("records", text));
            Intruder {
                table: table.to_owned(),
                message: message.to_owned(),
                remedy: "drop what is named as the table's owner, or REVOKE it".to_owned(),
            }
        };
        Ok(attached.iter().map(intruder).collect())
    }
}

/// An expression for everything that hangs on Lockstep's own tables, and whose they are, as an array of
/// texts: it is another one once anything of that is another.
pub fn own_tables_state(ledger: &LedgerName) -> String {
    format!(
        "ARRAY(SELECT ROW(c.oid, c.relkind, c.relowner, c.relrowsecurity, \
            ARRAY(SELECT ROW(g.grantee, g.privilege_type)::pg_catalog.text \
                FROM pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) g \
                WHERE g.privilege_type IN {WRITING} ORDER BY 1), \
            ARRAY(SELECT ROW(a.attnum, a.attacl)::pg_catalog.text FROM pg_catalog.pg_attribute a \
                WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL ORDER BY 1), \
            ARRAY(SELECT d.objid FROM pg_catalog.pg_depend d \
                WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.refobjid = c.oid \
                AND NOT (d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
                    AND d.deptype = 'n') ORDER BY 1), \
            ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend d \
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.objid = c.oid ORDER BY 1))::pg_catalog.text \
         FROM pg_catalog.pg_class c \
         WHERE c.oid = ANY ({}) ORDER BY c.oid)",
        own_oids(ledger)
    )
}

/// The oids of Lockstep's own tables, as an array; none for one that is not there.
fn own_oids(ledger: &LedgerName) -> String {
    let tables = [
        "\"lockstep\".\"environment\"".to_owned(),
        ledger.postgres_table("migrations"),
        ledger.postgres_table("schema"),
        ledger.postgres_table("ledger_format"),
    ];
    let tables: Vec<String> = tables
        .iter()
        .map(|table| format!("pg_catalog.to_regclass('{table}')"))
        .collect();
    format!("ARRAY[{}]::pg_catalog.oid[]", tables.join(", "))
}

/// The catalog's rows that [`own_tables_print`] looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTables {
    /// Oids of the tables.
    pub tables: Vec<u32>,
    /// Oids of their schemas.
    pub schemas: Vec<u32>,
}

/// A query for the oids of Lockstep's own tables that there are, and of their schemas: a row of two
/// arrays.
pub fn own_tables_query(ledger: &LedgerName) -> String {
    format!(
        "SELECT coalesce(pg_catalog.array_agg(c.oid), '{{}}'), \
            coalesce(pg_catalog.array_agg(DISTINCT c.relnamespace), '{{}}') \
         FROM pg_catalog.pg_class c WHERE c.oid = ANY ({})",
        own_oids(ledger)
    )
}

/// An expression that comes to another text wherever [`own_tables_state`] does, and sometimes where it does
/// not: the versions of the rows in the catalog, and what is named there. Oids in place of names,
/// so that every part is found by an index however many tables there are: a fifth of the time.
pub fn own_tables_print(own: &OwnTables) -> String {
    let list = |oids: &[u32]| {
        let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
        format!("'{{{}}}'::pg_catalog.oid[]", oids.join(","))
    };
    let (tables, schemas) = (list(&own.tables), list(&own.schemas));
    // Of several at once the planner would rather read all of a small pg_class, which a run makes large.
    let versions: String = own
        .tables
        .iter()
        .map(|oid| {
            format!(
                "(SELECT ROW(c.oid, c.xmin, c.ctid)::pg_catalog.text \
                    FROM pg_catalog.pg_class c WHERE c.oid = '{oid}'::pg_catalog.oid), "
            )
        })
        .collect();
    format!(
        "pg_catalog.concat_ws(' ', {versions}\
            (SELECT pg_catalog.string_agg(ROW(n.oid, n.xmin, n.ctid)::pg_catalog.text, '') \
                FROM pg_catalog.pg_namespace n WHERE n.oid = ANY ({schemas})), \
            (SELECT pg_catalog.string_agg(ROW(a.attrelid, a.attnum, a.attacl)::pg_catalog.text, '') \
                FROM pg_catalog.pg_attribute a \
                WHERE a.attrelid = ANY ({tables}) AND a.attacl IS NOT NULL), \
            (SELECT pg_catalog.string_agg(d.objid::pg_catalog.text, ',') \
                FROM pg_catalog.pg_depend d \
                WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.refobjid = ANY ({tables})), \
            '/', \
            (SELECT pg_catalog.string_agg(d.refobjid::pg_catalog.text, ',') \
                FROM pg_catalog.pg_depend d \
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                AND d.objid = ANY ({tables})))"
    )
}
