-- A paper belongs to its sender, so its key holds the sender: who hands goods on may number its own
-- paper as the one they came with. The twin for SQLite makes the table anew, for it cannot change a
-- primary key in place. Named, because a distributed table takes no nameless constraint.
ALTER TABLE shipment DROP CONSTRAINT shipment_pkey;
ALTER TABLE shipment ADD CONSTRAINT shipment_pkey
  PRIMARY KEY (subject, brand_id, shipment_no, from_party);
