"""What is safe: pure, deterministic, without ROS, clock, thread or I/O."""
