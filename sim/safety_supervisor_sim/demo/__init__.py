"""The demonstration: processes, live table, summary."""
