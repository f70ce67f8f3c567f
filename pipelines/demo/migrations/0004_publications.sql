CREATE TABLE publications (
    id INTEGER PRIMARY KEY,
    draft_id INTEGER NOT NULL UNIQUE REFERENCES drafts (id),
    number TEXT NOT NULL UNIQUE,
    published_at TEXT NOT NULL
);
