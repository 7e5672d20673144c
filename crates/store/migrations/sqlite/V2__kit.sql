-- A unit may belong to a saleable set with others of their own codes; a pack remembers how late in
-- time anything in it was touched; alerts are listed page by page.
-- The twin for the other engine has the same text.

-- The main unit of the set: its serial number or code, the same on every member.
ALTER TABLE unit ADD COLUMN kit TEXT;

-- The latest instant at which the pack or anything inside it moved, as far as it is recorded. It
-- only tells whether a paper is late, and follows no event alone: like revision it is not rebuilt.
-- Of packs from before this column nobody knows: every paper about them is looked at as late.
ALTER TABLE pack ADD COLUMN stirred_at BIGINT NOT NULL DEFAULT 9223372036854775807;

CREATE INDEX alert_due ON alert (brand_id, due_at);
