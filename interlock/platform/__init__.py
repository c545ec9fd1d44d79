"""Settings, and the way to Kafka and ClickHouse: what every other package of `interlock` stands on."""
