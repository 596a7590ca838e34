"""What waits for a person: goals that a policy lets pass with an approval alone, and standing approvals of streams."""
