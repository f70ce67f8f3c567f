-- The application as its first release made it.
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE TABLE submissions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'received' CHECK (status IN ('received', 'approved', 'rejected')),
    submitted_at TEXT NOT NULL
);

CREATE INDEX submissions_by_user ON submissions (user_id, submitted_at);

CREATE TABLE drafts (
    id INTEGER PRIMARY KEY,
    submission_id INTEGER NOT NULL REFERENCES submissions (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (submission_id, revision)
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    submission_id INTEGER NOT NULL,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (datetime('now'))
);

CREATE TRIGGER submissions_audit AFTER UPDATE OF status ON submissions
WHEN old.status <> new.status
BEGIN
    INSERT INTO audit (submission_id, was, became) VALUES (old.id, old.status, new.status);
END;

CREATE VIEW approved_submissions AS
SELECT s.id, s.title, u.name AS author
FROM submissions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.status = 'approved';
