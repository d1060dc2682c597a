"""Debezium's envelopes: messages of pgoutput to JSON, and back."""
