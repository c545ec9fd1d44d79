-- What can identify a person, encrypted under a key of its own for each subject: see docs/audit-trail.md. The columns that
-- are sealed stay, empty in new rows; rows of before are readable as they were.
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed_facts String CODEC(NONE) COMMENT 'What rules may use, as a JSON object: nonce, AES-256-GCM ciphertext and tag',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE routed_decisions ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed_facts String CODEC(NONE) COMMENT 'What rules may use, as a JSON object: nonce, AES-256-GCM ciphertext and tag',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE shadow_decisions ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed_facts String CODEC(NONE) COMMENT 'What rules may use, as a JSON object: nonce, AES-256-GCM ciphertext and tag',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE training_examples ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed_facts String CODEC(NONE) COMMENT 'What rules may use, as a JSON object: nonce, AES-256-GCM ciphertext and tag',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE commands ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE command_replies ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE resolutions ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE actions ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE alerts ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE action_retries ADD COLUMN IF NOT EXISTS subject_key String COMMENT 'Id of the key under which the row is sealed, 32 hex digits; empty where nothing is, erased where the content was not stored because it had been erased before',
    ADD COLUMN IF NOT EXISTS sealed String CODEC(NONE) COMMENT 'What else is sealed, as a JSON object: nonce, AES-256-GCM ciphertext and tag';

ALTER TABLE decisions ADD INDEX IF NOT EXISTS by_subject_key subject_key TYPE bloom_filter GRANULARITY 4;

ALTER TABLE routed_decisions ADD INDEX IF NOT EXISTS by_subject_key subject_key TYPE bloom_filter GRANULARITY 4;

ALTER TABLE shadow_decisions ADD INDEX IF NOT EXISTS by_subject_key subject_key TYPE bloom_filter GRANULARITY 4;
