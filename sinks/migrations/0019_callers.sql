-- Only the caller who waits for a decision may end the waiting.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS caller String COMMENT 'sync: who waits for the decision, as its header interlock-caller says; empty where nobody was named';
