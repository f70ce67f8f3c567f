MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.x THEN UPDATE SET a = 1 WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (1) RETURNING merge_action();
---
SELECT * FROM json_table('[]'::jsonb, '$[*]' COLUMNS (a int PATH '$.a')) AS j;
---
ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;
---
CREATE TABLE v (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);
---
UPDATE t SET a = b.x, (c, d) = (SELECT 1, 2), e[1] = 2, f.g = 3 FROM b WHERE t.id = b.id RETURNING old.a, new.a;
