"""`log replay --config`: what other limits would have said to the same events."""
