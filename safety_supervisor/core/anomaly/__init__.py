"""Anomaly watch: how a source behaves, against a frozen baseline."""
