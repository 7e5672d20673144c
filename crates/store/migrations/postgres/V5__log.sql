-- Provable history: which entry of the log an event became, the tree's hashes in tiles of 256, its head.
-- `peaks` are the perfect subtrees the next entry is added to, largest first, 32 bytes each.
CREATE TABLE sealed (
  event_id BYTEA NOT NULL, home BIGINT NOT NULL, position BIGINT NOT NULL,
  PRIMARY KEY (event_id, home)
);
CREATE TABLE log_tile (
  level BIGINT NOT NULL, position BIGINT NOT NULL, hashes BYTEA NOT NULL,
  PRIMARY KEY (level, position)
);
CREATE TABLE log_head (
  name TEXT NOT NULL PRIMARY KEY, size BIGINT NOT NULL, peaks BYTEA NOT NULL,
  origin TEXT, note TEXT, note_size BIGINT NOT NULL
);
INSERT INTO log_head (name, size, peaks, note_size) VALUES ('log', 0, '', 0);
-- The rows of one event, in the order of its own tree.
CREATE INDEX event_subject_event ON event_subject (event_id, subject);
