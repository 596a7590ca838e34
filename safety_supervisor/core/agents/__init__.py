"""Agents: who introduced itself at a source, how far it is trusted, and what ends that."""
