-- The spine: reference tables, unit home, pack home, directories. The twin for PostgreSQL has the
-- same number, tables and columns. Instants are microseconds since 1970 UTC; civil dates are text.

-- (d) reference tables: small, cached in memory, guarded by one version row.
CREATE TABLE version (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL) WITHOUT ROWID;
INSERT INTO version (name, value) VALUES ('reference', 1);

CREATE TABLE brand (id BIGINT NOT NULL PRIMARY KEY, code TEXT NOT NULL UNIQUE, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE party (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, code TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, code)) WITHOUT ROWID;
CREATE TABLE site (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, code TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, code)) WITHOUT ROWID;
CREATE TABLE product (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, gtin TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, gtin)) WITHOUT ROWID;
CREATE TABLE territory (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, natural_key TEXT NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, natural_key)) WITHOUT ROWID;
CREATE TABLE batch (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, first_number BIGINT NOT NULL UNIQUE, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE code_void (first_number BIGINT NOT NULL PRIMARY KEY, last_number BIGINT NOT NULL, brand_id BIGINT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE code_key (epoch BIGINT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL, created_at BIGINT NOT NULL) WITHOUT ROWID;
CREATE TABLE api_key (id TEXT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, digest BLOB NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;

-- (a) unit home: everything one activation or scan touches, keyed by the unit number.
CREATE TABLE unit (
  number INTEGER NOT NULL PRIMARY KEY,
  brand_id BIGINT NOT NULL, product_id BIGINT NOT NULL, batch_id BIGINT NOT NULL,
  sn TEXT, identifiers TEXT, born_hash BIGINT,
  produced_at BIGINT, site_id BIGINT, line TEXT, lot TEXT, inspection TEXT, disposition TEXT,
  life BIGINT NOT NULL, activated_at BIGINT, region TEXT, fingerprint BLOB, suspect BIGINT NOT NULL,
  recalled_at BIGINT, stolen_at BIGINT, retired_at BIGINT, proof_at BIGINT, sold_on TEXT,
  recorded_at BIGINT NOT NULL, revision BIGINT NOT NULL
);

CREATE TABLE event (
  home BIGINT NOT NULL, id BLOB NOT NULL, brand_id BIGINT NOT NULL, kind TEXT NOT NULL,
  happened_at BIGINT NOT NULL, recorded_at BIGINT NOT NULL, canonical TEXT NOT NULL,
  PRIMARY KEY (home, id)
) WITHOUT ROWID;
CREATE TABLE event_subject (
  subject BIGINT NOT NULL, event_id BLOB NOT NULL, home BIGINT NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (subject, event_id)
) WITHOUT ROWID;
CREATE TABLE unsealed (home BIGINT NOT NULL, event_id BLOB NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (event_id, home)) WITHOUT ROWID;

CREATE TABLE activation (
  unit BIGINT NOT NULL, life BIGINT NOT NULL, event_id BLOB NOT NULL, activated_at BIGINT NOT NULL,
  PRIMARY KEY (unit, life)
) WITHOUT ROWID;
CREATE TABLE finding (
  unit BIGINT NOT NULL, event_id BLOB NOT NULL, kind TEXT NOT NULL, grade TEXT NOT NULL,
  nature TEXT, reasons TEXT NOT NULL, activated_at BIGINT NOT NULL, withdrawn_by BLOB,
  PRIMARY KEY (unit, event_id, kind)
) WITHOUT ROWID;
CREATE TABLE alert (
  home BIGINT NOT NULL, dedup_key TEXT NOT NULL, brand_id BIGINT NOT NULL, kind TEXT NOT NULL,
  grade TEXT NOT NULL, event_id BLOB NOT NULL, due_at BIGINT NOT NULL, withdrawn_at BIGINT,
  PRIMARY KEY (home, dedup_key)
) WITHOUT ROWID;
CREATE TABLE outbox (
  home BIGINT NOT NULL, id BLOB NOT NULL, topic TEXT NOT NULL, content TEXT NOT NULL, due_at BIGINT NOT NULL,
  PRIMARY KEY (id, home)
) WITHOUT ROWID;
CREATE TABLE idempotency (
  home BIGINT NOT NULL, scope BLOB NOT NULL, content BLOB NOT NULL, status BIGINT NOT NULL,
  reply TEXT NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (scope, home)
) WITHOUT ROWID;
CREATE TABLE observation (
  home BIGINT NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (id, home)
) WITHOUT ROWID;
CREATE TABLE scan (
  unit BIGINT NOT NULL, audience TEXT NOT NULL, count BIGINT NOT NULL, first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL, first_place TEXT, last_place TEXT, recent TEXT NOT NULL,
  PRIMARY KEY (unit, audience)
) WITHOUT ROWID;
CREATE TABLE registration (
  unit BIGINT NOT NULL, id BLOB NOT NULL, person BLOB NOT NULL, sealed BLOB NOT NULL, created_at BIGINT NOT NULL,
  PRIMARY KEY (unit, id)
) WITHOUT ROWID;
CREATE TABLE proof_try (
  unit BIGINT NOT NULL, id BLOB NOT NULL, batch_id BIGINT NOT NULL, visitor BLOB NOT NULL, tried_at BIGINT NOT NULL, succeeded BIGINT NOT NULL,
  PRIMARY KEY (unit, id)
) WITHOUT ROWID;

-- (b) pack home: packs and what moved them. Packs draw their numbers from the same line as units,
-- so a bare unit's own holds stand in the same table under the unit's number.
CREATE TABLE pack (
  number INTEGER NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, sscc TEXT NOT NULL,
  products TEXT NOT NULL, recorded_at BIGINT NOT NULL, revision BIGINT NOT NULL
);
CREATE TABLE containment (
  child BIGINT NOT NULL, from_at BIGINT NOT NULL, parent BIGINT NOT NULL, to_at BIGINT, event_id BLOB NOT NULL,
  PRIMARY KEY (child, from_at, parent)
) WITHOUT ROWID;
CREATE INDEX containment_parent ON containment (parent);
CREATE TABLE hold (
  subject BIGINT NOT NULL, at BIGINT NOT NULL, event_id BLOB NOT NULL, party_id BIGINT NOT NULL, from_party BIGINT,
  kind TEXT NOT NULL, presumed BIGINT NOT NULL, shipment_no TEXT, recorded_at BIGINT NOT NULL,
  PRIMARY KEY (subject, at, event_id)
) WITHOUT ROWID;
CREATE TABLE shipment (
  subject BIGINT NOT NULL, brand_id BIGINT NOT NULL, shipment_no TEXT NOT NULL, from_party BIGINT NOT NULL,
  to_party BIGINT NOT NULL, happened_at BIGINT NOT NULL, voided_at BIGINT,
  PRIMARY KEY (subject, brand_id, shipment_no)
) WITHOUT ROWID;
CREATE INDEX shipment_paper ON shipment (brand_id, shipment_no);

-- (c) directories: keyed by the text itself, which is what a distributed engine hashes.
CREATE TABLE identifier (
  value TEXT NOT NULL, scheme TEXT NOT NULL, scope BIGINT NOT NULL, unit BIGINT NOT NULL, from_at BIGINT NOT NULL,
  PRIMARY KEY (value, scheme, scope)
) WITHOUT ROWID;
CREATE TABLE identifier_past (
  value TEXT NOT NULL, scheme TEXT NOT NULL, scope BIGINT NOT NULL, unit BIGINT NOT NULL, from_at BIGINT NOT NULL, to_at BIGINT NOT NULL,
  PRIMARY KEY (value, scheme, scope, from_at)
) WITHOUT ROWID;
CREATE TABLE waiting (
  value TEXT NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL, received_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (value, id)
) WITHOUT ROWID;

-- Where each batch of purpose unprinted (or pack) has got to.
CREATE TABLE draw (batch_id BIGINT NOT NULL PRIMARY KEY, next_number BIGINT NOT NULL) WITHOUT ROWID;
