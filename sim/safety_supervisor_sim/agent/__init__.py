"""The agent that misbehaves: a node that plays a scenario, with the people and devices around it."""
