"""Falsification: searches for a scenario in which the independent oracle sees a violation."""
