"""Does a robot that stands on its feet stay standing? Requirement: SR-034."""
