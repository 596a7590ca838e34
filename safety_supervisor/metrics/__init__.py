"""Metrics and traces: a process of its own that hears the supervisor, and is asked by Prometheus."""
