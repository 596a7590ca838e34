"""Signed acts: what a token says, who has signed it, and that it is fresh. No ROS, no clock, no thread."""
