"""What the robot and its surroundings are made of: links, volumes, pairs, and how far what moves can come."""
