"""The HTTP API: everything that producers, reviewers, owners and operators do, under `/v1`."""
