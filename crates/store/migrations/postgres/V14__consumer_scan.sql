-- Looks of consumers in a table of their own, as the SQLite twin of the same number says.
CREATE TABLE consumer_scan (
  unit BIGINT NOT NULL PRIMARY KEY, count BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL,
  first_place TEXT, last_place TEXT, recent TEXT NOT NULL
);
INSERT INTO consumer_scan (unit, count, first_at, last_at, first_place, last_place, recent)
  SELECT unit, count, first_at, last_at, first_place, last_place, recent FROM scan WHERE audience = 'consumer';
DELETE FROM scan WHERE audience = 'consumer';
