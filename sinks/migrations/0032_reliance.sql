-- The reliance experiment: in which arm a review stood, what was shown, and what its reviewer thought before.
ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS arm LowCardinality(String) COMMENT 'Reliance experiment: ai-first, or decide-first, whose reviewers give a first opinion before they see the answer of the AI; empty: takes no part' AFTER evidence_opened,
    ADD COLUMN IF NOT EXISTS seeded Bool COMMENT 'gold: prediction is a wrong answer that is shown in place of that of the AI' AFTER arm,
    ADD COLUMN IF NOT EXISTS first_opinions Array(Tuple(reviewer String, outcome String, at DateTime64(6, 'UTC'))) COMMENT 'decide-first: opinions before the answer of the AI was shown' AFTER seeded;

ALTER TABLE outcomes
    ADD COLUMN IF NOT EXISTS arm LowCardinality(String) COMMENT 'Reliance experiment: ai-first (the answer of the AI was shown at once) or decide-first (after a first opinion); empty: took no part' AFTER evidence_opened_at,
    ADD COLUMN IF NOT EXISTS seeded Bool COMMENT 'gold: prediction is a wrong answer that was shown in place of that of the AI' AFTER arm,
    ADD COLUMN IF NOT EXISTS first_opinion LowCardinality(String) COMMENT 'decide-first: what the reviewer thought before the answer of the AI was shown' AFTER seeded,
    ADD COLUMN IF NOT EXISTS first_opinion_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the reviewer said so' AFTER first_opinion;
