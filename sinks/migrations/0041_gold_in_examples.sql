-- How good people were known to be when they gave a verdict.
ALTER TABLE training_examples
    ADD COLUMN IF NOT EXISTS gold_wrong Nullable(Int64) COMMENT 'Of the gold items of the domain that people had judged by then: how many showed a wrong answer of the model; null: not told',
    ADD COLUMN IF NOT EXISTS gold_found Nullable(Int64) COMMENT 'For how many of gold_wrong people decided for another outcome; null: not told',
    ADD COLUMN IF NOT EXISTS gold_right Nullable(Int64) COMMENT 'Of the gold items of the domain that people had judged by then: how many showed the right answer; null: not told',
    ADD COLUMN IF NOT EXISTS gold_left Nullable(Int64) COMMENT 'How many of gold_right people left as they were; null: not told';
