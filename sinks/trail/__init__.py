"""The audit trail: rows of ClickHouse in hash chains, whose ends are signed."""
