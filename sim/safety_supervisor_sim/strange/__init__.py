"""Trials of the watch of behaviour: hours of good work, and ten misbehaviours inside all limits."""
