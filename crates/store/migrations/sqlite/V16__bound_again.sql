-- Since when an identifier was on a unit is when the unit was made, or when it was moved there: of two units one after
-- the other that may be the same instant. So the key tells the whole row, beginning as before. SQLite cannot change a
-- primary key in place, so the table is made anew; the twin for PostgreSQL changes the key alone.
CREATE TABLE identifier_past_keyed (
  value TEXT NOT NULL, scheme TEXT NOT NULL, scope BIGINT NOT NULL, unit BIGINT NOT NULL, from_at BIGINT NOT NULL, to_at BIGINT NOT NULL,
  PRIMARY KEY (value, scheme, scope, from_at, unit, to_at)
) WITHOUT ROWID;
INSERT INTO identifier_past_keyed (value, scheme, scope, unit, from_at, to_at)
  SELECT value, scheme, scope, unit, from_at, to_at FROM identifier_past;
DROP TABLE identifier_past;
ALTER TABLE identifier_past_keyed RENAME TO identifier_past;
