"""A reviewer tool in plain Python: confluent-kafka and fastavro, nothing of Interlock."""
