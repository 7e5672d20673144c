-- Looks of consumers in a table of their own: every public answer reads them, and nothing reads those
-- of the others but to count rows. Keyed by the unit alone, rows hang in a tree of whole numbers; in
-- one of keys and rows together, which `WITHOUT ROWID` is, rows this long leave six branches to a page.
CREATE TABLE consumer_scan (
  unit INTEGER NOT NULL PRIMARY KEY, count BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL,
  first_place TEXT, last_place TEXT, recent TEXT NOT NULL
);
INSERT INTO consumer_scan (unit, count, first_at, last_at, first_place, last_place, recent)
  SELECT unit, count, first_at, last_at, first_place, last_place, recent FROM scan WHERE audience = 'consumer';
DELETE FROM scan WHERE audience = 'consumer';
