"""Where everything that happened is kept: ClickHouse tables, and the writer that fills them exactly once."""
