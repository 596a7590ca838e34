"""Recorded events, their replay, and later the log store and metrics."""
