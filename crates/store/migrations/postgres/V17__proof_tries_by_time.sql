-- How often a proof was tried lately is asked at every try, of a unit and of its batch; tries are kept for a day.
CREATE INDEX proof_try_unit ON proof_try (unit, tried_at);
CREATE INDEX proof_try_batch ON proof_try (batch_id, tried_at) WHERE succeeded = 0;
