"""Statistics of what was reviewed: pure functions on arrays. Imports nothing of ours; no Kafka, no clock."""
