-- A paper belongs to its sender, so its key holds the sender: who hands goods on may number its own
-- paper as the one they came with. SQLite cannot change a primary key in place, so the table is made
-- anew; the twin for PostgreSQL changes the key alone.
CREATE TABLE shipment_keyed (
  subject BIGINT NOT NULL, brand_id BIGINT NOT NULL, shipment_no TEXT NOT NULL, from_party BIGINT NOT NULL,
  to_party BIGINT NOT NULL, happened_at BIGINT NOT NULL, voided_at BIGINT,
  PRIMARY KEY (subject, brand_id, shipment_no, from_party)
) WITHOUT ROWID;
INSERT INTO shipment_keyed (subject, brand_id, shipment_no, from_party, to_party, happened_at, voided_at)
  SELECT subject, brand_id, shipment_no, from_party, to_party, happened_at, voided_at FROM shipment;
DROP TABLE shipment;
ALTER TABLE shipment_keyed RENAME TO shipment;
CREATE INDEX shipment_paper ON shipment (brand_id, shipment_no);
