-- What the application's users have entered by the time of the second release.
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO users (id, email, name, created_at)
SELECT i, 'user' || i || '@example.org', 'User ' || i, datetime('2026-01-01', '+' || i || ' hours')
FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO submissions (id, user_id, title, body, status, submitted_at)
SELECT i, 1 + i * 7 % 200, 'Submission ' || i, hex(randomblob(80)),
    CASE i % 5 WHEN 0 THEN 'approved' WHEN 1 THEN 'rejected' ELSE 'received' END,
    datetime('2026-02-01', '+' || i || ' minutes')
FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
INSERT INTO drafts (id, submission_id, revision, text)
SELECT i, 1 + (i - 1) / 2, 1 + (i - 1) % 2, hex(randomblob(60))
FROM n;
