"""The lifecycle node and all that touches ROS."""
