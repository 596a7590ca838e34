"""What a log is exported to: an incident for people, files for Foxglove, and lists for those who audit."""
