"""The technicians' web panel: a process of its own that shows the supervisor, stops, and signs people's acts."""
