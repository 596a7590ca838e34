"""The report of campaigns: what a reviewer reads, and what CI shows."""
