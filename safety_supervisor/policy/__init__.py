"""What people do with a policy before a robot has it: try it with examples."""
