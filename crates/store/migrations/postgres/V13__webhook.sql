-- Webhooks. The row says where and what; how far one got, and what became of each delivery, is beside it:
-- neither must move the version that every process reads all reference rows again for. `sealed` is found by
-- position, since a webhook follows the log.
CREATE TABLE webhook (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY, brand_id BIGINT NOT NULL, sealed BYTEA NOT NULL, record TEXT NOT NULL
);
CREATE TABLE webhook_cursor (
  webhook_id TEXT COLLATE "C" NOT NULL PRIMARY KEY, starts BIGINT NOT NULL, next_position BIGINT NOT NULL, failures BIGINT NOT NULL,
  event_since BIGINT, webhook_since BIGINT, due_at BIGINT NOT NULL, lease TEXT NOT NULL, leased_until BIGINT NOT NULL
);
CREATE TABLE webhook_delivery (
  webhook_id TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, id BYTEA NOT NULL, event_id TEXT COLLATE "C" NOT NULL, kind TEXT NOT NULL,
  position BIGINT NOT NULL, attempt BIGINT NOT NULL, outcome TEXT NOT NULL, status BIGINT, error TEXT,
  duration_ms BIGINT NOT NULL,
  PRIMARY KEY (webhook_id, at, id)
);
CREATE INDEX webhook_delivery_event ON webhook_delivery (webhook_id, event_id, at);
CREATE INDEX sealed_position ON sealed (position);
