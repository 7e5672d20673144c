-- Cases: what the brand and a party say to each other over units. What was said is sealed and is forgotten after its
-- term; who did what is told by audit records in the ledger. Nothing here is a projection of events.
CREATE TABLE case_file (
  id BLOB NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL, state TEXT NOT NULL, outcome TEXT,
  opened_at BIGINT NOT NULL, closed_at BIGINT, answer_by TEXT, unit_count BIGINT NOT NULL, entry_count BIGINT NOT NULL,
  revision BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX case_file_brand ON case_file (brand_id, opened_at, id);
CREATE INDEX case_file_party ON case_file (brand_id, party_id, opened_at, id);
CREATE TABLE case_entry (
  case_id BLOB NOT NULL, number BIGINT NOT NULL, brand_id BIGINT NOT NULL, kind TEXT NOT NULL, party_id BIGINT NOT NULL,
  actor TEXT NOT NULL, said_at BIGINT NOT NULL, sealed BLOB, expires_at BIGINT,
  PRIMARY KEY (case_id, number)
) WITHOUT ROWID;
CREATE INDEX case_entry_expires ON case_entry (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE case_unit (
  case_id BLOB NOT NULL, unit BIGINT NOT NULL, brand_id BIGINT NOT NULL, added_at BIGINT NOT NULL,
  PRIMARY KEY (case_id, unit)
) WITHOUT ROWID;
-- At the unit's home: the one open case it stands in. Of two openings at once the second finds the row taken.
CREATE TABLE case_open (
  unit BIGINT NOT NULL PRIMARY KEY, case_id BLOB NOT NULL, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX case_open_case ON case_open (case_id);
