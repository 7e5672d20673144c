-- The audit trail. A change is an event; its row here is a projection of it, to search by. A sensitive read is
-- no event, only a row. Both are filed under the brand's home (-1 - brand), co-located with their side rows.
CREATE TABLE audit_change (
  home BIGINT NOT NULL, at BIGINT NOT NULL, event_id BLOB NOT NULL, actor TEXT NOT NULL, object_kind TEXT NOT NULL,
  object TEXT NOT NULL, observation BLOB,
  PRIMARY KEY (home, at, event_id)
) WITHOUT ROWID;
CREATE INDEX audit_change_object ON audit_change (home, object, at, event_id);
CREATE TABLE audit_read (
  home BIGINT NOT NULL, at BIGINT NOT NULL, id BLOB NOT NULL, actor TEXT NOT NULL, party_id BIGINT, verb TEXT NOT NULL,
  object_kind TEXT NOT NULL, object TEXT NOT NULL, count BIGINT NOT NULL,
  PRIMARY KEY (home, at, id)
) WITHOUT ROWID;
CREATE INDEX audit_read_object ON audit_read (home, object, at, id);
