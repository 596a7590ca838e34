"""Benchmarks: each module measures one part and gives rows; `python -m bench` prints them as one table."""
