-- Recalls. What one selects is a predicate in its record, so opening one writes one row however many
-- units it concerns; which units were remedied is a projection of events, at the unit's home.
CREATE TABLE recall (
  id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE recall_remedy (
  unit BIGINT NOT NULL, recall_id BIGINT NOT NULL, at BIGINT NOT NULL, event_id BLOB NOT NULL,
  PRIMARY KEY (unit, recall_id)
) WITHOUT ROWID;
