-- People who work here. Their names, passwords and second factors are sealed; what a name is found by is a keyed hash.
CREATE TABLE account (
  id BLOB NOT NULL PRIMARY KEY, name_hash BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL, secrets BLOB NOT NULL,
  totp_step BIGINT, created_at BIGINT NOT NULL, disabled_at BIGINT, revision BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE membership (
  id BLOB NOT NULL PRIMARY KEY, account BLOB NOT NULL, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL,
  role TEXT NOT NULL, regions TEXT NOT NULL, created_at BIGINT NOT NULL, revision BIGINT NOT NULL,
  UNIQUE (account, brand_id, party_id)
) WITHOUT ROWID;
CREATE INDEX membership_brand ON membership (brand_id);
CREATE TABLE invitation (
  digest BLOB NOT NULL PRIMARY KEY, id BLOB NOT NULL UNIQUE, brand_id BIGINT NOT NULL, party_id BIGINT NOT NULL,
  role TEXT NOT NULL, regions TEXT NOT NULL, sealed BLOB NOT NULL, actor TEXT NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT
) WITHOUT ROWID;
-- Links that set up the deployment (no account) or sign in once; and that it was set up, once.
CREATE TABLE one_time_link (
  digest BLOB NOT NULL PRIMARY KEY, account BLOB, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE set_up (name TEXT NOT NULL PRIMARY KEY, done_at BIGINT NOT NULL) WITHOUT ROWID;
-- Sessions by the digest of what the browser holds, and what wrong tries make wait.
CREATE TABLE account_session (
  digest BLOB NOT NULL PRIMARY KEY, account BLOB NOT NULL, membership BLOB, sealed BLOB NOT NULL,
  created_at BIGINT NOT NULL, used_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX account_session_account ON account_session (account);
CREATE TABLE sign_in_wait (
  key BLOB NOT NULL PRIMARY KEY, failures BIGINT NOT NULL, until_at BIGINT NOT NULL, failed_at BIGINT NOT NULL
) WITHOUT ROWID;
