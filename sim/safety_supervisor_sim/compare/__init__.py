"""What others put between an agent and the motors, played by the same campaign: docs/compare.md."""
