"""What happens to events: pure functions on batches; no Kafka, no clock, no randomness."""
