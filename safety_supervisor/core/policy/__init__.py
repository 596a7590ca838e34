"""Policy: facts of a command in, allow, approve or deny out."""
