"""Policies: what may take effect by itself and what a person must see. Pure: no Kafka, no clock."""
