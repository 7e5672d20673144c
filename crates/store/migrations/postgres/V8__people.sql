-- People who work here. Their names, passwords and second factors are sealed; what a name is found by is a keyed hash.
CREATE TABLE account (
  id BYTEA NOT NULL PRIMARY KEY, name_hash BYTEA NOT NULL UNIQUE, sealed BYTEA NOT NULL, secrets BYTEA NOT NULL,
  totp_step BIGINT, created_at BIGINT NOT NULL, disabled_at BIGINT, revision BIGINT NOT NULL
);
CREATE TABLE membership (
  id BYTEA NOT NULL PRIMARY KEY, account BYTEA NOT NULL, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL,
  role TEXT NOT NULL, regions TEXT NOT NULL, created_at BIGINT NOT NULL, revision BIGINT NOT NULL,
  UNIQUE (account, brand_id, party_id)
);
CREATE INDEX membership_brand ON membership (brand_id);
CREATE TABLE invitation (
  digest BYTEA NOT NULL PRIMARY KEY, id BYTEA NOT NULL UNIQUE, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL,
  role TEXT NOT NULL, regions TEXT NOT NULL, sealed BYTEA NOT NULL, actor TEXT NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT
);
-- Links that set up the deployment (no account) or sign in once; and that it was set up, once.
CREATE TABLE one_time_link (
  digest BYTEA NOT NULL PRIMARY KEY, account BYTEA, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);
CREATE TABLE set_up (name TEXT COLLATE "C" NOT NULL PRIMARY KEY, done_at BIGINT NOT NULL);
-- Sessions by the digest of what the browser holds, and what wrong tries make wait.
CREATE TABLE account_session (
  digest BYTEA NOT NULL PRIMARY KEY, account BYTEA NOT NULL, membership BYTEA, sealed BYTEA NOT NULL,
  created_at BIGINT NOT NULL, used_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);
CREATE INDEX account_session_account ON account_session (account);
CREATE TABLE sign_in_wait (
  key BYTEA NOT NULL PRIMARY KEY, failures BIGINT NOT NULL, until_at BIGINT NOT NULL, failed_at BIGINT NOT NULL
);
