"""For whoever runs an agent: its key, and what it says of its tool."""
