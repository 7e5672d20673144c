-- Persons: consumers bound to units. Everything said of a person is sealed under a key of their own, which lies
-- here sealed under a key derived from the root secret: deleting this row makes all of it unreadable at once.
CREATE TABLE person (
  id BYTEA NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, phone_last4 TEXT NOT NULL, sealed_key BYTEA NOT NULL,
  sealed BYTEA NOT NULL, created_at BIGINT NOT NULL, held_at BIGINT, hold_reason BYTEA, revision BIGINT NOT NULL
);
-- (c) A directory: by which hash of a telephone a person is found. Every hash names its key, so that both the key
-- before and the present one are looked up while a new key takes over.
CREATE TABLE person_phone (
  phone_hash BYTEA NOT NULL, phone_key_id BIGINT NOT NULL, brand_id BIGINT NOT NULL, person BYTEA NOT NULL,
  PRIMARY KEY (phone_hash, phone_key_id, brand_id)
);
CREATE INDEX person_phone_person ON person_phone (person);
CREATE INDEX person_phone_key ON person_phone (phone_key_id);
CREATE TABLE consent (
  person BYTEA NOT NULL, purpose TEXT NOT NULL, given_at BIGINT NOT NULL, text_version TEXT NOT NULL, withdrawn_at BIGINT,
  PRIMARY KEY (person, purpose, given_at)
);
CREATE INDEX consent_withdrawn ON consent (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
-- Form 1, of rows from before this migration: person is 16 bytes of a keyed hash of the telephone, sealed is under
-- the key of observations and holds the telephone. Form 2: person is person.id, sealed is under that person's key.
-- A row of form 1 is rewritten when its telephone is next met, or by the job that looks for such rows.
ALTER TABLE registration ADD COLUMN form BIGINT NOT NULL DEFAULT 1;
-- When to look whether the row is still needed.
ALTER TABLE registration ADD COLUMN review_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX registration_person ON registration (person);
CREATE INDEX registration_review ON registration (review_at);
CREATE INDEX registration_old ON registration (unit) WHERE form = 1;
-- Why somebody looked at a person, sealed: the words may hold personal data themselves.
ALTER TABLE audit_read ADD COLUMN reason BYTEA;
-- (d) What was deleted after its term: how many rows of a kind on a day (UTC), and up to which instant.
CREATE TABLE retention_run (
  policy TEXT NOT NULL, day_on TEXT NOT NULL, at BIGINT NOT NULL, row_count BIGINT NOT NULL, upto BIGINT NOT NULL,
  PRIMARY KEY (policy, day_on)
);
INSERT INTO version (name, value) VALUES ('phone_key', 1);
