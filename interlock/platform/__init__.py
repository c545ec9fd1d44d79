"""Settings, and the way to Kafka and ClickHouse: what every other room of `interlock` stands on."""
