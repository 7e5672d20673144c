-- When an API key was last used, to the hour. Beside the key, whose row is reference data: a use must
-- not move the version that every process reads all reference rows again for.
CREATE TABLE api_key_use (
  brand_id BIGINT NOT NULL, id TEXT NOT NULL, used_at BIGINT NOT NULL,
  PRIMARY KEY (brand_id, id)
) WITHOUT ROWID;
