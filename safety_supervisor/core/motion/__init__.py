"""What moves the joints: segments, stops, trajectories, and the lane of each group."""
