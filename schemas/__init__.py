"""Contracts: Avro schemas, topic catalogue, wire format and edge models. Imports nothing of ours."""
