"""Statistics of what was reviewed: pure functions on arrays. Imports only the base error; no Kafka, no clock."""
