"""The simulated robot and doubles of the real controllers, as a node."""
