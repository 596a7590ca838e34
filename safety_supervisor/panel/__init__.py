"""The technicians' web panel."""
