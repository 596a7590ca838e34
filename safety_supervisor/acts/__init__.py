"""Commands for whoever holds a key: what an agent's operator and a person at the robot sign."""
