-- SQLite can't add a status to a CHECK, so the table is made anew. `drafts` refers to it and keeps
-- its rows: foreign keys are off while a migration runs, and checked afterwards.
DROP VIEW approved_submissions;

CREATE TABLE new_submissions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    reviewer_id INTEGER REFERENCES users (id),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'received'
        CHECK (status IN ('received', 'in review', 'approved', 'rejected')),
    submitted_at TEXT NOT NULL
);

INSERT INTO new_submissions (id, user_id, title, body, status, submitted_at)
SELECT id, user_id, title, body, status, submitted_at FROM submissions;

DROP TABLE submissions;
ALTER TABLE new_submissions RENAME TO submissions;

CREATE INDEX submissions_by_user ON submissions (user_id, submitted_at);

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
