//! The ledgers of migration tools, as data: table, columns, tool, the command that runs its files, and
//! where the shape was read.
//!
//! `table` is a name in any schema and case, `schema.table` one in that schema alone, `*` a table of
//! any name: tools let their ledger be renamed, and some shapes are nobody else's. `columns` are those
//! that the table has, the first of them its mark where the name is `*`; `=` before them means no others.
//! The first that fits a table counts, so what says more stands first.

/// One ledger of one tool, or of several that write the same.
pub(super) struct Known {
    pub(super) table: &'static str,
    pub(super) columns: &'static str,
    pub(super) tool: &'static str,
    pub(super) runs: &'static str,
    /// The repository that makes the table, and the file where it is one.
    #[cfg_attr(not(test), allow(dead_code, reason = "kept for whoever doubts a line"))]
    pub(super) source: &'static str,
}

const fn ledger(
    table: &'static str,
    columns: &'static str,
    tool: &'static str,
    runs: &'static str,
    source: &'static str,
) -> Known {
    Known {
        table,
        columns,
        tool,
        runs,
        source,
    }
}

#[rustfmt::skip] // One ledger a line.
pub(super) const KNOWN: &[Known] = &[
    // Rust.
    ledger("*", "installed_on description success checksum execution_time version", "sqlx", "sqlx migrate run", "launchbadge/sqlx: sqlx-postgres/src/migrate.rs"),
    ledger("_sqlx_migrations", "checksum", "sqlx", "sqlx migrate run", "launchbadge/sqlx: sqlx-sqlite/src/migrate.rs"),
    ledger("__diesel_schema_migrations", "version", "diesel", "diesel migration run", "diesel-rs/diesel: diesel/src/migration/setup_migration_table.sql"),
    ledger("refinery_schema_history", "checksum", "refinery", "refinery migrate", "rust-db/refinery: refinery_core/src/traits/mod.rs"),
    ledger("seaql_migrations", "version applied_at", "SeaORM", "sea-orm-cli migrate up", "SeaQL/sea-orm: sea-orm-migration/src/seaql_migrations.rs"),
    ledger("movine_migrations", "name hash down_sql", "movine", "movine up", "byronwasti/movine"),
    // JavaScript and TypeScript.
    ledger("_prisma_migrations", "migration_name", "Prisma", "prisma migrate deploy", "prisma/prisma-engines: sql-schema-connector/src/flavour/postgres.rs"),
    ledger("__drizzle_migrations", "hash created_at", "Drizzle", "drizzle-kit migrate", "drizzle-team/drizzle-orm"),
    ledger("knex_migrations", "name batch migration_time", "Knex", "knex migrate:latest", "knex/knex: lib/migrations/migrate/table-creator.js"),
    ledger("adonis_schema", "name batch migration_time", "Lucid (AdonisJS)", "node ace migration:run", "adonisjs/lucid"),
    ledger("*", "migration_time name batch", "Knex", "knex migrate:latest", "knex/knex: lib/migrations/migrate/table-creator.js"),
    ledger("knex_migrations_lock", "is_locked", "Knex", "knex migrate:latest", "knex/knex: lib/migrations/migrate/table-creator.js"),
    ledger("pgmigrations", "name run_on", "node-pg-migrate", "node-pg-migrate up", "salsita/node-pg-migrate: src/runner.ts"),
    ledger("SequelizeMeta", "name", "Sequelize or Umzug", "sequelize db:migrate", "sequelize/cli"),
    ledger("umzug_migrations", "name", "Umzug", "the program that calls Umzug", "sequelize/umzug: src/storage/sequelize.ts"),
    ledger("migrations", "= id timestamp name", "TypeORM", "typeorm migration:run", "typeorm/typeorm: src/migration/MigrationExecutor.ts"),
    ledger("typeorm_metadata", "type name value", "TypeORM", "typeorm migration:run", "typeorm/typeorm"),
    ledger("mikro_orm_migrations", "name executed_at", "MikroORM", "mikro-orm migration:up", "mikro-orm/mikro-orm: packages/migrations/src/MigrationStorage.ts"),
    ledger("kysely_migration", "name timestamp", "Kysely", "the program that calls Kysely's Migrator", "kysely-org/kysely: src/migration/migrator.ts"),
    ledger("kysely_migration_lock", "is_locked", "Kysely", "the program that calls Kysely's Migrator", "kysely-org/kysely: src/migration/migrator.ts"),
    ledger("d1_migrations", "name applied_at", "Cloudflare D1 (wrangler)", "wrangler d1 migrations apply", "cloudflare/workers-sdk"),
    ledger("payload_migrations", "name batch", "Payload", "payload migrate", "payloadcms/payload"),
    ledger("strapi_migrations", "name time", "Strapi", "strapi start", "strapi/strapi"),
    ledger("directus_migrations", "version name", "Directus", "directus database migrate:latest", "directus/directus"),
    ledger("nessie_migrations", "file_name created_at", "Nessie", "nessie migrate", "halvardssm/deno-nessie"),
    ledger("schemaversion", "version name md5 run_at", "Postgrator", "postgrator", "rickbergfalk/postgrator"),
    ledger("graphile_migrate.migrations", "hash previous_hash filename", "Graphile Migrate", "graphile-migrate migrate", "graphile/migrate"),
    ledger("migrations", "= id name hash executed_at", "postgres-migrations", "pg-migrations", "ThomWright/postgres-migrations"),
    ledger("migrations", "= id name run_on", "db-migrate", "db-migrate up", "db-migrate/node-db-migrate"),
    ledger("migrations", "= id name created_at", "ley", "ley up", "lukeed/ley"),
    ledger("migrations", "= id name up down", "node-sqlite", "the program that calls migrate()", "kriasoft/node-sqlite"),
    ledger("migrations", "level comment timestamp checksum", "Marv", "the program that calls marv", "guidesmiths/marv: README"),
    ledger("migrations", "name version currentVersion", "knex-migrator", "knex-migrator migrate", "TryGhost/knex-migrator"),
    // Python.
    ledger("*", "= version_num", "Alembic", "alembic upgrade head", "sqlalchemy/alembic: alembic/ddl/impl.py"),
    ledger("alembic_version", "version_num", "Alembic", "alembic upgrade head", "sqlalchemy/alembic: alembic/ddl/impl.py"),
    ledger("django_migrations", "app", "Django", "manage.py migrate", "django/django: django/db/migrations/recorder.py"),
    ledger("south_migrationhistory", "app_name migration applied", "South (Django)", "manage.py migrate", "South"),
    ledger("_yoyo_migration", "migration_hash migration_id", "yoyo", "yoyo apply", "yoyo-migrations"),
    ledger("yoyo_lock", "locked pid", "yoyo", "yoyo apply", "yoyo-migrations"),
    ledger("_pogo_migration", "migration_hash migration_id", "pogo-migrate", "pogo apply", "NRWLDev/pogo-migrate"),
    ledger("aerich", "version app content", "Aerich", "aerich upgrade", "tortoise/aerich: aerich/models.py"),
    ledger("migration", "name app_name ran_on", "Piccolo", "piccolo migrations forwards all", "piccolo-orm/piccolo"),
    ledger("migratehistory", "name migrated_at", "peewee-migrate", "pw_migrate migrate", "klen/peewee_migrate"),
    ledger("migrate_version", "repository_id repository_path version", "SQLAlchemy-Migrate", "migrate upgrade", "openstack/sqlalchemy-migrate"),
    // Ruby, Elixir, Clojure, Crystal, Haskell, Perl.
    ledger("schema_migrations", "version inserted_at", "Ecto", "mix ecto.migrate", "elixir-ecto/ecto_sql: lib/ecto/migration/schema_migration.ex"),
    ledger("ar_internal_metadata", "key value", "Rails", "rails db:migrate", "rails/rails: activerecord/lib/active_record/internal_metadata.rb"),
    ledger("schema_migrations", "= filename", "Sequel", "sequel -m", "jeremyevans/sequel"),
    ledger("schema_info", "= version", "Sequel", "sequel -m", "jeremyevans/sequel"),
    ledger("schema_migrations", "= id applied description", "Migratus", "lein migratus migrate", "yogthos/migratus"),
    ledger("ragtime_migrations", "id created_at", "Ragtime", "the program that calls ragtime", "weavejester/ragtime"),
    ledger("schema_migrations", "filename checksum executed_at", "postgresql-migration or hasql-migration", "migrate", "tvh/hasql-migration"),
    ledger("installed_migrations", "migration_id", "dbmigrations", "moo upgrade", "jtdaugherty/dbmigrations"),
    ledger("migration_versions", "= id version", "Jennifer", "the program that calls Jennifer", "imdrasil/jennifer.cr"),
    ledger("dbix_class_deploymenthandler_versions", "version ddl", "DBIx::Class::DeploymentHandler", "the program that calls it", "DBIx-Class-DeploymentHandler"),
    ledger("*", "change_id script_hash project planner_name", "Sqitch", "sqitch deploy", "sqitchers/sqitch: lib/App/Sqitch/Engine/pg.sql"),
    // PHP.
    ledger("migrations", "migration batch", "Laravel", "php artisan migrate", "laravel/framework: src/Illuminate/Database/Migrations/DatabaseMigrationRepository.php"),
    ledger("*", "migration_name breakpoint start_time end_time version", "Phinx", "phinx migrate", "cakephp/phinx: src/Phinx/Db/Adapter/AbstractAdapter.php"),
    ledger("phinxlog", "version", "Phinx", "phinx migrate", "cakephp/phinx: src/Phinx/Db/Adapter/AbstractAdapter.php"),
    ledger("doctrine_migration_versions", "version executed_at", "Doctrine", "doctrine:migrations:migrate", "doctrine/migrations: lib/Doctrine/Migrations/Metadata/Storage/TableMetadataStorage.php"),
    ledger("migration_versions", "version executed_at", "Doctrine", "doctrine:migrations:migrate", "doctrine/migrations, before version 3"),
    ledger("migration", "= version apply_time", "Yii", "yii migrate", "yiisoft/yii2: framework/console/controllers/MigrateController.php"),
    ledger("migrations", "version class group namespace", "CodeIgniter", "php spark migrate", "codeigniter4/CodeIgniter4"),
    ledger("migrations", "group file checksum executed ready", "Nextras Migrations", "migrations:continue", "nextras/migrations"),
    ledger("propel_migration", "version", "Propel", "propel migrate", "propelorm/Propel2"),
    // Go.
    ledger("hdb_catalog.schema_migrations", "version", "Hasura", "hasura migrate apply", "hasura/graphql-engine"),
    ledger("hdb_catalog.hdb_version", "hasura_uuid", "Hasura", "hasura migrate apply", "hasura/graphql-engine"),
    ledger("supabase_migrations.schema_migrations", "version", "Supabase", "supabase db push", "supabase/cli"),
    ledger("schema_migrations", "= version statements name", "Supabase", "supabase db push", "supabase/cli"),
    ledger("*", "= dirty version", "golang-migrate (or Encore)", "migrate up", "golang-migrate/migrate: database/pgx/v5/pgx.go"),
    ledger("schema_migrations", "dirty", "golang-migrate", "migrate up", "golang-migrate/migrate: database/sqlite/sqlite.go"),
    ledger("micrate_db_version", "version_id is_applied", "micrate", "micrate up", "amberframework/micrate"),
    ledger("*", "is_applied version_id tstamp", "goose", "goose up", "pressly/goose: internal/dialects/postgres.go"),
    ledger("goose_db_version", "version_id", "goose", "goose up", "pressly/goose: internal/dialects/sqlite3.go"),
    ledger("gorp_migrations", "id applied_at", "sql-migrate", "sql-migrate up", "rubenv/sql-migrate: migrate.go"),
    ledger("bun_migrations", "name group_id migrated_at", "Bun", "the program that calls bun/migrate", "uptrace/bun: migrate/migration.go"),
    ledger("bun_migration_locks", "table_name", "Bun", "the program that calls bun/migrate", "uptrace/bun"),
    ledger("schema_version", "= version", "tern", "tern migrate", "jackc/tern: migrate/migrate.go"),
    ledger("migrations", "= migration", "rambler", "rambler apply", "elwinar/rambler"),
    ledger("migrations", "= id", "gormigrate", "the program that calls gormigrate", "go-gormigrate/gormigrate: gormigrate.go"),
    ledger("darwin_migrations", "version description checksum", "darwin", "the program that calls darwin", "GuiaBolso/darwin"),
    ledger("schema_migration", "= version", "Pop (Buffalo)", "soda migrate", "gobuffalo/pop"),
    ledger("migrations", "id_migration name created_at statements", "Beego", "bee migrate", "beego/bee"),
    ledger("atlas_schema_revisions", "version", "Atlas", "atlas migrate apply", "ariga/atlas: cmd/atlas/internal/migrate/ent/schema/revision.go"),
    ledger("*", "operator_version executed_at partial_hashes", "Atlas", "atlas migrate apply", "ariga/atlas: cmd/atlas/internal/migrate/ent/schema/revision.go"),
    ledger("pgroll.migrations", "name", "pgroll", "pgroll migrate", "xataio/pgroll: pkg/state/init.sql"),
    ledger("reshape.migrations", "index", "Reshape", "reshape migrate", "fabianlindfors/reshape"),
    ledger("migration_history", "release_version namespace sequence", "Bytebase", "Bytebase", "bytebase/bytebase"),
    // Java, Scala, Kotlin.
    ledger("*", "installed_rank installed_on checksum script", "Flyway", "flyway migrate", "flyway/flyway: flyway-database-postgresql/PostgreSQLDatabase.java"),
    ledger("flyway_schema_history", "installed_rank", "Flyway", "flyway migrate", "flyway/flyway: SQLiteDatabase.java"),
    ledger("*", "orderexecuted md5sum exectype", "Liquibase", "liquibase update", "liquibase/liquibase: documentation of the DATABASECHANGELOG table"),
    ledger("databasechangelog", "md5sum", "Liquibase", "liquibase update", "liquibase/liquibase: documentation of the DATABASECHANGELOG table"),
    ledger("databasechangeloglock", "locked lockedby", "Liquibase", "liquibase update", "liquibase/liquibase: documentation of the DATABASECHANGELOGLOCK table"),
    ledger("play_evolutions", "hash apply_script revert_script", "Play evolutions", "the application with play.evolutions.autoApply", "playframework/playframework"),
    ledger("db_migration", "mtype mversion mchecksum", "Ebean", "the application that runs Ebean's migrations", "ebean-orm/ebean-migration"),
    ledger("changelog", "= id applied_at description", "MyBatis Migrations", "migrate up", "mybatis/migrations"),
    ledger("changelog", "change_number complete_dt", "dbdeploy", "dbdeploy", "tackley/dbdeploy"),
    // .NET.
    ledger("__EFMigrationsHistory", "MigrationId ProductVersion", "EF Core", "dotnet ef database update", "dotnet/efcore: src/EFCore.Relational/Migrations/HistoryRepository.cs"),
    ledger("*", "MigrationId ProductVersion", "EF Core", "dotnet ef database update", "dotnet/efcore: src/EFCore.Relational/Migrations/HistoryRepository.cs"),
    ledger("*", "migration_id product_version", "EF Core", "dotnet ef database update", "efcore/EFCore.NamingConventions"),
    ledger("__EFMigrationsLock", "Id Timestamp", "EF Core", "dotnet ef database update", "dotnet/efcore: src/EFCore.Sqlite.Core/Migrations/Internal/SqliteHistoryRepository.cs"),
    ledger("*", "schemaversionsid scriptname applied", "DbUp", "the program that calls DbUp", "DbUp/DbUp"),
    ledger("schemaversions", "scriptname applied", "DbUp", "the program that calls DbUp", "DbUp/DbUp"),
    ledger("*", "one_time_script script_name text_hash entry_date", "grate or RoundhousE", "grate", "erikbra/grate"),
    ledger("VersionInfo", "Version AppliedOn", "FluentMigrator", "dotnet fm migrate", "fluentmigrator/fluentmigrator: VersionTableInfo/DefaultVersionTableMetaData.cs"),
    ledger("changelog", "type version description name checksum installed_by installed_on success", "Evolve", "evolve migrate", "lecaillon/Evolve"),
    // What several tools write.
    ledger("schema_migrations", "version", "dbmate, Rails or a tool like them", "dbmate up or rails db:migrate", "amacneil/dbmate: pkg/driver/postgres/postgres.go; rails/rails: activerecord/lib/active_record/schema_migration.rb"),
];

/// Tables that a tool has beside its ledger: a sign of it where the ledger itself has another name.
pub(super) const BESIDE: &[&str] = &[
    "knex_migrations_lock",
    "kysely_migration_lock",
    "bun_migration_locks",
    "databasechangeloglock",
    "yoyo_lock",
    "__EFMigrationsLock",
    "ar_internal_metadata",
    "typeorm_metadata",
];
