-- Since when an identifier was on a unit is when the unit was made, or when it was moved there: of two units one after
-- the other that may be the same instant. So the key tells the whole row, beginning as before. The twin for SQLite
-- makes the table anew, for it cannot change a primary key in place. Named, because a distributed table takes no
-- nameless constraint.
ALTER TABLE identifier_past DROP CONSTRAINT identifier_past_pkey;
ALTER TABLE identifier_past ADD CONSTRAINT identifier_past_pkey
  PRIMARY KEY (value, scheme, scope, from_at, unit, to_at);
