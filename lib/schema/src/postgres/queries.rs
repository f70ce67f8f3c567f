//! The queries on PostgreSQL's catalogs: one for each class of objects.
//!
//! The search path is empty while they run, so `pg_catalog` alone is found without a qualifier;
//! relations are qualified all the same. An object that is dropped meanwhile prints as NULL.

/// The named schemas that exist, each beside the server's version; one row without a name if none.
pub(super) const SCHEMAS: &str = "
SELECT n.nspname::text, current_setting('server_version_num')::int4
FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = ANY ($1::text[])";

/// Whether the schemas have any function, and any type of their own. Everything depends on its schema but
/// what the server itself brought, which is looked for in any case.
pub(super) const KINDS: &str = "
SELECT n.own OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = ANY (n.oids)
            AND d.classid = 'pg_catalog.pg_proc'::regclass),
    n.own OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = ANY (n.oids)
            AND d.classid = 'pg_catalog.pg_type'::regclass)
FROM (SELECT coalesce(array_agg(s.oid), '{}') AS oids,
        coalesce(bool_or(s.nspname IN ('pg_catalog', 'information_schema')), false) AS own
    FROM pg_catalog.pg_namespace AS s WHERE s.nspname = ANY ($1::text[])) AS n";

/// Tables, partitions, foreign tables, views and materialized views.
pub(super) const RELATIONS: &str = "
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
    c.relpersistence = 'u' AS unlogged, c.relispartition AS is_partition,
    c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
    CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
    pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    ARRAY(SELECT i.inhparent FROM pg_catalog.pg_inherits AS i
        WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents,
    ARRAY(SELECT p.relname::text FROM pg_catalog.pg_inherits AS i
        JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
        WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parent_names,
    ARRAY(SELECT pn.nspname::text FROM pg_catalog.pg_inherits AS i
        JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
        JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
        WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parent_schemas,
    CASE WHEN c.relkind IN ('v', 'm') THEN c.reloptions END AS view_options,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS view_definition,
    (SELECT a.amname::text FROM pg_catalog.pg_am AS a
        WHERE a.oid = c.relam AND a.amname <> 'heap') AS access_method,
    (SELECT s.srvname::text FROM pg_catalog.pg_foreign_table AS f
        JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
        WHERE f.ftrelid = c.oid) AS server,
    (SELECT f.ftoptions FROM pg_catalog.pg_foreign_table AS f
        WHERE f.ftrelid = c.oid) AS server_options,
    CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END AS of_type,
    EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid
        AND coalesce((to_jsonb(i) ->> 'inhdetachpending')::bool, false)) AS detach_pending
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1::text[]) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Columns of the tables given by oid.
pub(super) const COLUMNS: &str = "
SELECT a.attrelid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod)
        || coalesce(' OPTIONS (' || array_to_string(a.attfdwoptions, ', ') || ')', '') AS type,
    a.attnotnull AS not_null, a.attgenerated::text AS generated, a.attidentity::text AS identity,
    pg_get_expr(d.adbin, d.adrelid) AS expression,
    cn.nspname::text AS collation_schema, co.collname::text AS collation
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS co
    ON co.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped";

/// NOT NULL constraints, of which PostgreSQL has a row since 18, of the tables given by oid, where
/// they are not as PostgreSQL itself makes them. The name of one that a parent alone hands down is the
/// parent's affair.
pub(super) const NOT_NULLS: &str = "
SELECT k.conrelid, a.attname::text AS column, k.conname::text AS name, c.relname::text AS relation,
    k.conislocal AS is_local, k.connoinherit AS no_inherit, NOT k.convalidated AS not_valid
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.conrelid = ANY ($1::oid[]) AND k.contype = 'n'
    AND (NOT k.convalidated OR k.connoinherit
        OR k.conislocal AND k.conname <> concat(c.relname, '_', a.attname, '_not_null'))";

/// Constraints of the tables given by oid, but for those that a parent table hands down. NOT NULL,
/// a constraint since PostgreSQL 18, belongs to the column. What enforces a foreign key are triggers,
/// those of its partitions included; where one does not fire as usual, the definition says so.
pub(super) const CONSTRAINTS: &str = "
WITH RECURSIVE unusual (constraint_oid, relation, state) AS (
    SELECT t.tgconstraint, t.tgrelid, t.tgenabled FROM pg_catalog.pg_trigger AS t
    WHERE t.tgisinternal AND t.tgenabled <> 'O' AND t.tgconstraint <> 0
    UNION SELECT k.conparentid, u.relation, u.state FROM unusual AS u
    JOIN pg_catalog.pg_constraint AS k ON k.oid = u.constraint_oid WHERE k.conparentid <> 0)
SELECT c.conrelid, c.conname::text AS name, c.contype::text AS kind,
    pg_get_constraintdef(c.oid) || coalesce((SELECT string_agg(DISTINCT ' TRIGGERS '
            || CASE u.state WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END
            || ' ON ' || u.relation::regclass::text, '')
        FROM unusual AS u WHERE u.constraint_oid = c.oid), '') AS definition
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = ANY ($1::oid[]) AND c.contype IN ('p', 'u', 'c', 'f', 'x')
    AND c.conparentid = 0 AND (c.conislocal OR c.coninhcount = 0)";

/// Indexes of the tables and materialized views given by oid. One that a constraint made appears
/// as that constraint, unless it is invalid; one that belongs to a partitioned index, as that one.
pub(super) const INDEXES: &str = "
SELECT i.indrelid, c.relname::text AS name, pg_get_indexdef(i.indexrelid) AS definition,
    i.indisvalid AND i.indisready AS valid
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND NOT c.relispartition
    AND (NOT i.indisvalid OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')))";

/// Triggers of the relations given by oid, but for those that run a function of Lockstep and those
/// that a parent table hands down and that fire as its own do. Before 15 those that are handed down
/// count as internal, as do at all times those of foreign keys.
pub(super) const TRIGGERS: &str = "
SELECT t.tgrelid, t.tgname::text AS name, pg_get_triggerdef(t.oid) AS definition,
    t.tgenabled::text AS enabled
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE t.tgrelid = ANY ($1::oid[])
    AND (NOT t.tgisinternal OR t.tgparentid <> 0 AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k WHERE k.oid = t.tgconstraint AND k.contype <> 't'))
    AND t.tgenabled IS DISTINCT FROM (SELECT u.tgenabled FROM pg_catalog.pg_trigger AS u
        WHERE u.oid = t.tgparentid)
    AND n.nspname <> 'lockstep'";

/// Row security policies of the tables given by oid; role 0 is PUBLIC.
pub(super) const POLICIES: &str = "
SELECT p.polrelid, p.polname::text AS name, p.polpermissive AS permissive, p.polcmd::text AS command,
    ARRAY(SELECT CASE WHEN r.oid = 0 THEN 'public' ELSE pg_get_userbyid(r.oid)::text END
        FROM unnest(p.polroles) AS r (oid) ORDER BY 1) AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS using_expression,
    pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression
FROM pg_catalog.pg_policy AS p
WHERE p.polrelid = ANY ($1::oid[])";

/// Rewrite rules of the relations given by oid, but for those that make a view.
pub(super) const RULES: &str = "
SELECT r.ev_class, r.rulename::text AS name, pg_get_ruledef(r.oid)
        || CASE r.ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' REPLICA'
            WHEN 'A' THEN ' ALWAYS' ELSE '' END AS definition
FROM pg_catalog.pg_rewrite AS r
WHERE r.ev_class = ANY ($1::oid[]) AND r.rulename <> '_RETURN'";

/// Sequences of the schemas $1, and those that a column of the tables $2 owns.
pub(super) const SEQUENCES: &str = "
SELECT n.nspname::text AS schema, c.relname::text AS name, format_type(s.seqtypid, NULL) AS type,
    s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
    c.relpersistence = 'u' AS unlogged,
    o.refobjid AS owner, a.attname::text AS owner_column
FROM pg_catalog.pg_sequence AS s
JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend AS o ON o.classid = 'pg_catalog.pg_class'::regclass
    AND o.objid = s.seqrelid AND o.refclassid = 'pg_catalog.pg_class'::regclass
    AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
WHERE (n.nspname = ANY ($1::text[]) OR o.refobjid = ANY ($2::oid[]))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2";

/// Functions, procedures, window functions and aggregates; not those that come with a range type.
pub(super) const FUNCTIONS: &str = "
SELECT n.nspname::text AS schema, p.proname::text AS name,
    ARRAY(SELECT format_type(a.type, NULL)
        FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, place)
        ORDER BY a.place) AS arguments,
    CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END AS definition, p.prosrc AS body,
    p.prokind = 'a' AS is_aggregate,
    g.aggtransfn::regprocedure::text AS transition, format_type(g.aggtranstype, NULL) AS state,
    NULLIF(g.aggfinalfn::oid, 0::oid)::regprocedure::text AS final,
    NULLIF(g.aggcombinefn::oid, 0::oid)::regprocedure::text AS combine, g.agginitval AS initial,
    NULLIF(g.aggsortop::oid, 0::oid)::regoperator::text AS sort_operator,
    NULLIF(g.aggserialfn::oid, 0::oid)::regprocedure::text AS serial,
    NULLIF(g.aggdeserialfn::oid, 0::oid)::regprocedure::text AS deserial,
    NULLIF(g.aggmtransfn::oid, 0::oid)::regprocedure::text AS moving_transition,
    NULLIF(g.aggminvtransfn::oid, 0::oid)::regprocedure::text AS moving_inverse,
    CASE WHEN g.aggmtranstype <> 0 THEN format_type(g.aggmtranstype, NULL) END AS moving_state,
    NULLIF(g.aggmfinalfn::oid, 0::oid)::regprocedure::text AS moving_final,
    g.aggminitval AS moving_initial,
    CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END AS parallel,
    ARRAY_REMOVE(ARRAY[
        CASE g.aggkind WHEN 'o' THEN 'ORDER BY' WHEN 'h' THEN 'HYPOTHETICAL' END,
        CASE WHEN g.aggnumdirectargs > 0 THEN 'DIRECT ARGUMENTS = ' || g.aggnumdirectargs END,
        CASE WHEN g.aggtransspace <> 0 THEN 'SSPACE = ' || g.aggtransspace END,
        CASE WHEN g.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
        CASE WHEN g.aggfinalfn <> 0 AND g.aggfinalmodify::text <> CASE g.aggkind WHEN 'n' THEN 'r' ELSE 'w' END
            THEN 'FINALFUNC_MODIFY = ' || g.aggfinalmodify::text END,
        CASE WHEN g.aggmtransspace <> 0 THEN 'MSSPACE = ' || g.aggmtransspace END,
        CASE WHEN g.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
        CASE WHEN g.aggmfinalfn <> 0 AND g.aggmfinalmodify::text <> CASE g.aggkind WHEN 'n' THEN 'r' ELSE 'w' END
            THEN 'MFINALFUNC_MODIFY = ' || g.aggmfinalmodify::text END,
        CASE WHEN NOT p.proisstrict THEN NULL ELSE 'STRICT' END,
        CASE WHEN p.provariadic <> 0 THEN 'VARIADIC' END], NULL) AS details
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_aggregate AS g ON g.aggfnoid = p.oid
WHERE n.nspname = ANY ($1::text[])
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
            AND d.deptype IN ('e', 'i'))";

/// Enums, domains, composite and range types. Servers before 14 have no multirange.
pub(super) const TYPES: &str = "
SELECT n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
    ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base,
    t.typnotnull AS not_null, pg_get_expr(t.typdefaultbin, 0) AS expression,
    cn.nspname::text AS collation_schema, co.collname::text AS collation,
    ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint AS k
        WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname) AS check_names,
    ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint AS k
        WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname) AS checks,
    ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum) AS attributes,
    ARRAY(SELECT quote_ident(a.attname) || ' COLLATE ' || a.attcollation::regcollation::text
        FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS at ON at.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attcollation <> at.typcollation
        ORDER BY a.attnum) AS collated,
    ARRAY_REMOVE(ARRAY[
        CASE WHEN NOT o.opcdefault THEN 'SUBTYPE_OPCLASS = ' || quote_ident(os.nspname) || '.'
            || quote_ident(o.opcname) END,
        CASE WHEN r.rngcollation <> rs.typcollation
            THEN 'COLLATION = ' || r.rngcollation::regcollation::text END,
        CASE WHEN r.rngcanonical <> 0 THEN 'CANONICAL = ' || r.rngcanonical::regproc::text END,
        CASE WHEN r.rngsubdiff <> 0 THEN 'SUBTYPE_DIFF = ' || r.rngsubdiff::regproc::text END], NULL)
        AS range_details,
    (SELECT k.conname::text FROM pg_catalog.pg_constraint AS k
        WHERE k.contypid = t.oid AND k.contype = 'n'
            AND k.conname <> concat(t.typname, '_not_null')) AS not_null_name,
    format_type(r.rngsubtype, NULL) AS subtype,
    (SELECT m.typname::text FROM pg_catalog.pg_type AS m
        WHERE m.oid = (to_jsonb(r) ->> 'rngmultitypid')::oid) AS multirange
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_type AS rs ON rs.oid = r.rngsubtype
LEFT JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc
LEFT JOIN pg_catalog.pg_namespace AS os ON os.oid = o.opcnamespace
LEFT JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_collation AS co
    ON co.oid = t.typcollation AND t.typtype = 'd' AND t.typcollation <> b.typcollation
LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
WHERE n.nspname = ANY ($1::text[])
    AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')";

/// Extensions of the database.
pub(super) const EXTENSIONS: &str = "
SELECT e.extname::text AS name, n.nspname::text AS schema, e.extversion AS version
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql'";
