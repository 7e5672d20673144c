-- When the beginning and the end of a time inside a pack were recorded, as the SQLite twin of the same number says.
ALTER TABLE containment ADD COLUMN from_recorded_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE containment ADD COLUMN to_recorded_at BIGINT;
UPDATE containment SET from_recorded_at = COALESCE((
  SELECT p.recorded_at FROM event p WHERE p.home = containment.parent AND p.id = containment.event_id), 0);
UPDATE containment SET to_recorded_at = (
  SELECT MIN(e.recorded_at) FROM event e WHERE e.home IN (containment.child, containment.parent)
    AND e.happened_at = containment.to_at AND e.recorded_at > containment.from_recorded_at AND (
    (e.home = containment.child AND e.kind IN ('shipped', 'returned', 'received'))
    OR (e.home = containment.parent AND e.kind = 'unpacked' AND EXISTS (
      SELECT 1 FROM event_subject s WHERE s.subject = containment.child AND s.event_id = e.id))
  )
) WHERE to_at IS NOT NULL;
