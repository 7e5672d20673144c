-- The spine, as its SQLite twin of the same number: same tables, same columns.

-- (d) reference tables: small, cached in memory, guarded by one version row.
CREATE TABLE version (name TEXT COLLATE "C" NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO version (name, value) VALUES ('reference', 1);

CREATE TABLE brand (id BIGINT NOT NULL PRIMARY KEY, code TEXT COLLATE "C" NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE party (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, code TEXT COLLATE "C" NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, code));
CREATE TABLE site (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, code TEXT COLLATE "C" NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, code));
CREATE TABLE product (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, gtin TEXT COLLATE "C" NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, gtin));
CREATE TABLE territory (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, natural_key TEXT COLLATE "C" NOT NULL, record TEXT NOT NULL, UNIQUE (brand_id, natural_key));
CREATE TABLE batch (id BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, first_number BIGINT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE code_void (first_number BIGINT NOT NULL PRIMARY KEY, last_number BIGINT NOT NULL, brand_id BIGINT NOT NULL, record TEXT NOT NULL);
CREATE TABLE code_key (epoch BIGINT NOT NULL PRIMARY KEY, sealed BYTEA NOT NULL, created_at BIGINT NOT NULL);
CREATE TABLE api_key (id TEXT COLLATE "C" NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, digest BYTEA NOT NULL, record TEXT NOT NULL);

-- (a) unit home: everything one activation or scan touches, keyed by the unit number.
CREATE TABLE unit (
  number BIGINT NOT NULL PRIMARY KEY,
  brand_id BIGINT NOT NULL, product_id BIGINT NOT NULL, batch_id BIGINT NOT NULL,
  sn TEXT, identifiers TEXT, born_hash BIGINT,
  produced_at BIGINT, site_id BIGINT, line TEXT, lot TEXT, inspection TEXT, disposition TEXT,
  life BIGINT NOT NULL, activated_at BIGINT, region TEXT, fingerprint BYTEA, suspect BIGINT NOT NULL,
  recalled_at BIGINT, stolen_at BIGINT, retired_at BIGINT, proof_at BIGINT, sold_on TEXT,
  recorded_at BIGINT NOT NULL, revision BIGINT NOT NULL
);

CREATE TABLE event (
  home BIGINT NOT NULL, id BYTEA NOT NULL, brand_id BIGINT NOT NULL, kind TEXT NOT NULL,
  happened_at BIGINT NOT NULL, recorded_at BIGINT NOT NULL, canonical TEXT NOT NULL,
  PRIMARY KEY (home, id)
);
CREATE TABLE event_subject (
  subject BIGINT NOT NULL, event_id BYTEA NOT NULL, home BIGINT NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (subject, event_id)
);
CREATE TABLE unsealed (home BIGINT NOT NULL, event_id BYTEA NOT NULL, leaf BYTEA NOT NULL, PRIMARY KEY (event_id, home));

CREATE TABLE activation (
  unit BIGINT NOT NULL, life BIGINT NOT NULL, event_id BYTEA NOT NULL, activated_at BIGINT NOT NULL,
  PRIMARY KEY (unit, life)
);
CREATE TABLE finding (
  unit BIGINT NOT NULL, event_id BYTEA NOT NULL, kind TEXT COLLATE "C" NOT NULL, grade TEXT NOT NULL,
  nature TEXT, reasons TEXT NOT NULL, activated_at BIGINT NOT NULL, withdrawn_by BYTEA,
  PRIMARY KEY (unit, event_id, kind)
);
CREATE TABLE alert (
  home BIGINT NOT NULL, dedup_key TEXT COLLATE "C" NOT NULL, brand_id BIGINT NOT NULL, kind TEXT NOT NULL,
  grade TEXT NOT NULL, event_id BYTEA NOT NULL, due_at BIGINT NOT NULL, withdrawn_at BIGINT,
  PRIMARY KEY (home, dedup_key)
);
CREATE TABLE outbox (
  home BIGINT NOT NULL, id BYTEA NOT NULL, topic TEXT NOT NULL, content TEXT NOT NULL, due_at BIGINT NOT NULL,
  PRIMARY KEY (id, home)
);
CREATE TABLE idempotency (
  home BIGINT NOT NULL, scope BYTEA NOT NULL, content BYTEA NOT NULL, status BIGINT NOT NULL,
  reply TEXT NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (scope, home)
);
CREATE TABLE observation (
  home BIGINT NOT NULL, id BYTEA NOT NULL, sealed BYTEA NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (id, home)
);
CREATE TABLE scan (
  unit BIGINT NOT NULL, audience TEXT COLLATE "C" NOT NULL, count BIGINT NOT NULL, first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL, first_place TEXT, last_place TEXT, recent TEXT NOT NULL,
  PRIMARY KEY (unit, audience)
);
CREATE TABLE registration (
  unit BIGINT NOT NULL, id BYTEA NOT NULL, person BYTEA NOT NULL, sealed BYTEA NOT NULL, created_at BIGINT NOT NULL,
  PRIMARY KEY (unit, id)
);
CREATE TABLE proof_try (
  unit BIGINT NOT NULL, id BYTEA NOT NULL, batch_id BIGINT NOT NULL, visitor BYTEA NOT NULL, tried_at BIGINT NOT NULL, succeeded BIGINT NOT NULL,
  PRIMARY KEY (unit, id)
);

-- (b) pack home: packs and what moved them. Packs draw their numbers from the same line as units,
-- so a bare unit's own holds stand in the same table under the unit's number.
CREATE TABLE pack (
  number BIGINT NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, sscc TEXT NOT NULL,
  products TEXT NOT NULL, recorded_at BIGINT NOT NULL, revision BIGINT NOT NULL
);
CREATE TABLE containment (
  child BIGINT NOT NULL, from_at BIGINT NOT NULL, parent BIGINT NOT NULL, to_at BIGINT, event_id BYTEA NOT NULL,
  PRIMARY KEY (child, from_at, parent)
);
CREATE INDEX containment_parent ON containment (parent);
CREATE TABLE hold (
  subject BIGINT NOT NULL, at BIGINT NOT NULL, event_id BYTEA NOT NULL, party_id BIGINT NOT NULL, from_party BIGINT,
  kind TEXT NOT NULL, presumed BIGINT NOT NULL, shipment_no TEXT, recorded_at BIGINT NOT NULL,
  PRIMARY KEY (subject, at, event_id)
);
CREATE TABLE shipment (
  subject BIGINT NOT NULL, brand_id BIGINT NOT NULL, shipment_no TEXT COLLATE "C" NOT NULL, from_party BIGINT NOT NULL,
  to_party BIGINT NOT NULL, happened_at BIGINT NOT NULL, voided_at BIGINT,
  PRIMARY KEY (subject, brand_id, shipment_no)
);
CREATE INDEX shipment_paper ON shipment (brand_id, shipment_no);

-- (c) directories: keyed by the text itself, which is what a distributed engine hashes.
CREATE TABLE identifier (
  value TEXT COLLATE "C" NOT NULL, scheme TEXT COLLATE "C" NOT NULL, scope BIGINT NOT NULL, unit BIGINT NOT NULL, from_at BIGINT NOT NULL,
  PRIMARY KEY (value, scheme, scope)
);
CREATE TABLE identifier_past (
  value TEXT COLLATE "C" NOT NULL, scheme TEXT COLLATE "C" NOT NULL, scope BIGINT NOT NULL, unit BIGINT NOT NULL, from_at BIGINT NOT NULL, to_at BIGINT NOT NULL,
  PRIMARY KEY (value, scheme, scope, from_at)
);
CREATE TABLE waiting (
  value TEXT COLLATE "C" NOT NULL, id BYTEA NOT NULL, sealed BYTEA NOT NULL, received_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
  PRIMARY KEY (value, id)
);

-- Where each batch of purpose unprinted (or pack) has got to.
CREATE TABLE draw (batch_id BIGINT NOT NULL PRIMARY KEY, next_number BIGINT NOT NULL);
