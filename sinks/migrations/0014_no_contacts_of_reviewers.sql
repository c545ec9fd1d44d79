-- Contacts are apprise URLs with passwords in them, and whoever may ask questions could read them here. The sink stores
-- them no longer, nor the bytes of a record that cannot be read, which may hold one; here those stored before are cleared.
-- The notifier reads contacts from Kafka.
ALTER TABLE reviewers UPDATE contact = '', raw = '' WHERE contact != '' OR raw != '' SETTINGS mutations_sync = 1;

ALTER TABLE reviewers COMMENT COLUMN contact 'Always empty: where alerts go may hold a password, and stays in Kafka';
