"""A base that drives: its gate, its odometry, its fence."""
