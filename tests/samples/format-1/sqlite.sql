PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "lockstep_migrations" (
    position INTEGER PRIMARY KEY,
    version TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    sha256_tokens TEXT CHECK (length(sha256_tokens) = 64),
    state TEXT NOT NULL CHECK (state IN ('applied', 'started')),
    applied_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    run_id TEXT NOT NULL,
    because TEXT
) STRICT;
INSERT INTO lockstep_migrations VALUES(1,'1','orders','465985d4f2fa4a70572b6cfcccb07a251ce1d22b2947f00446a08746804a3bc6','dc5b38ef2c7c910af9194d6666620c328cdbbcb40535e96e86cd6435ed488afe','applied','2026-03-14T09:26:53.112Z',0,'deployer@ci','20260314T092653Z-dc106b77',NULL);
INSERT INTO lockstep_migrations VALUES(2,'2','first_order','ecf14f6398b2bf07640eddeaaa62a6b21c3d71cd0cc7514cbf26ba038d844ece','b96b1edf95d0a0484f82d69890279d4b2608e2ef8dd75d1fd7b69b62d9c5f31b','applied','2026-03-14T09:26:53.118Z',0,'deployer@ci','20260314T092653Z-dc106b77',NULL);
CREATE TABLE IF NOT EXISTS "lockstep_schema" (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL,
    ledger_state TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    run_id TEXT NOT NULL
) STRICT;
INSERT INTO lockstep_schema VALUES(1,'{"format":"lockstep-schema/1","engine":"sqlite","tables":{"orders":{"columns":{"id":{"type":"INTEGER"},"note":{"type":"TEXT"}},"primary_key":{"definition":"PRIMARY KEY (id)"}}}}','208d952dc5d65c081a675f1b12030eedfa6ac0817fb3905e6d99dc6e6c488f44','2026-03-14T09:26:53.130Z','20260314T092653Z-dc106b77');
CREATE TABLE lockstep_environment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    protected INTEGER NOT NULL CHECK (protected IN (0, 1)),
    uuid TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    marked_at TEXT NOT NULL,
    marked_by TEXT NOT NULL
) STRICT;
INSERT INTO lockstep_environment VALUES(1,'dev',0,'0dae8608-b1bf-4e84-bfca-b2ad90590730','/srv/app/app.db','2026-03-14T09:26:53.112Z','deployer@ci');
CREATE TABLE orders (
    id integer PRIMARY KEY,
    note text
);
INSERT INTO orders VALUES(1,'first');
COMMIT;
