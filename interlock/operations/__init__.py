"""What operators do with a running pipeline: health checks, dead letters, exports, reconciliation, shadow reports."""
