-- What says whether an example is a sample of the model's decisions.
ALTER TABLE training_examples
    ADD COLUMN IF NOT EXISTS way LowCardinality(String) COMMENT 'How the decision came to a person: audit (it took effect, and chance chose it), else its route; empty: not told',
    ADD COLUMN IF NOT EXISTS audit Nullable(Bool) COMMENT 'As in outcomes: picked by the audit coin; null: not told',
    ADD COLUMN IF NOT EXISTS round Nullable(Int32) COMMENT 'As in outcomes: 0 for the first review, then one more with every appeal; null: not told';
