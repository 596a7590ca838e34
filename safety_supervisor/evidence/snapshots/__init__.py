"""Replay from the middle: the core's whole state at an event, taken, kept and put back."""
