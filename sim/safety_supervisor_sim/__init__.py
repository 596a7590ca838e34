"""The simulated cell, agent and oracle; never imported by safety_supervisor."""
