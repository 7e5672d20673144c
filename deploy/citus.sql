-- How the tables are spread over a Citus cluster. Run once on the coordinator, after the first
-- `dossier serve --database ...` made the schema and before anything is imported.
--
-- NOT TESTED on Citus unless the tests were run with DOSSIER_CITUS_URL. What every run tests: the
-- same tables, split by the same columns with PostgreSQL's own hash partitions, accept every key
-- and carry a whole journey.
--
-- The group rules: every PRIMARY KEY and UNIQUE constraint of a distributed table holds its
-- distribution column; an activation or scan touches one home and so one worker (with an
-- Idempotency-Key of an API key also that of the key); import, shipping and rebuilding touch
-- several. An event's rows are filed under their own subjects while the event
-- is filed under its home, so a dossier joins over two homes:
SET citus.enable_repartition_joins = on;
-- Make that the default: ALTER DATABASE ... SET citus.enable_repartition_joins = on;

-- (a) unit home
SELECT create_distributed_table('unit', 'number', colocate_with => 'none');
SELECT create_distributed_table('event', 'home', colocate_with => 'unit');
SELECT create_distributed_table('event_subject', 'subject', colocate_with => 'unit');
SELECT create_distributed_table('unsealed', 'home', colocate_with => 'unit');
SELECT create_distributed_table('sealed', 'home', colocate_with => 'unit');
SELECT create_distributed_table('activation', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('finding', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('alert', 'home', colocate_with => 'unit');
SELECT create_distributed_table('outbox', 'home', colocate_with => 'unit');
SELECT create_distributed_table('idempotency', 'home', colocate_with => 'unit');
SELECT create_distributed_table('observation', 'home', colocate_with => 'unit');
SELECT create_distributed_table('scan', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('consumer_scan', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('registration', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('proof_try', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('audit_change', 'home', colocate_with => 'unit');
SELECT create_distributed_table('audit_read', 'home', colocate_with => 'unit');
SELECT create_distributed_table('recall_remedy', 'unit', colocate_with => 'unit');
SELECT create_distributed_table('case_open', 'unit', colocate_with => 'unit');

-- (b) pack home: numbers of packs come from the same line as those of units
SELECT create_distributed_table('pack', 'number', colocate_with => 'unit');
SELECT create_distributed_table('containment', 'child', colocate_with => 'unit');
SELECT create_distributed_table('hold', 'subject', colocate_with => 'unit');
SELECT create_distributed_table('shipment', 'subject', colocate_with => 'unit');

-- (c) directories, by the hash of the text
SELECT create_distributed_table('identifier', 'value', colocate_with => 'none');
SELECT create_distributed_table('identifier_past', 'value', colocate_with => 'identifier');
SELECT create_distributed_table('waiting', 'value', colocate_with => 'identifier');
-- by random identity, and by the hash of the telephone
SELECT create_distributed_table('person', 'id', colocate_with => 'none');
SELECT create_distributed_table('consent', 'person', colocate_with => 'person');
SELECT create_distributed_table('person_phone', 'phone_hash', colocate_with => 'none');
-- cases, by random identity
SELECT create_distributed_table('case_file', 'id', colocate_with => 'none');
SELECT create_distributed_table('case_entry', 'case_id', colocate_with => 'case_file');
SELECT create_distributed_table('case_unit', 'case_id', colocate_with => 'case_file');
-- sessions of people and waits after wrong tries, by digest
SELECT create_distributed_table('account_session', 'digest', colocate_with => 'none');
SELECT create_distributed_table('sign_in_wait', 'key', colocate_with => 'account_session');

-- how far webhooks got and what became of deliveries, by the webhook
SELECT create_distributed_table('webhook_cursor', 'webhook_id', colocate_with => 'none');
SELECT create_distributed_table('webhook_delivery', 'webhook_id', colocate_with => 'webhook_cursor');

-- (d) reference tables: small, on every worker
SELECT create_reference_table('version');
SELECT create_reference_table('retention_run');
SELECT create_reference_table('log_tile');
SELECT create_reference_table('log_head');
SELECT create_reference_table('brand');
SELECT create_reference_table('party');
SELECT create_reference_table('site');
SELECT create_reference_table('product');
SELECT create_reference_table('territory');
SELECT create_reference_table('recall');
SELECT create_reference_table('batch');
SELECT create_reference_table('draw');
SELECT create_reference_table('code_void');
SELECT create_reference_table('code_key');
SELECT create_reference_table('api_key');
SELECT create_reference_table('webhook');
SELECT create_reference_table('api_key_use');
SELECT create_reference_table('account');
SELECT create_reference_table('membership');
SELECT create_reference_table('invitation');
SELECT create_reference_table('one_time_link');
SELECT create_reference_table('set_up');
