"""The laboratory's core engine: core, simulated cell and e-stop line in lock-step, in simulated time."""
