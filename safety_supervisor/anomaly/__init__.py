"""Baselines of behaviour: made from recorded good work, at the desk."""
