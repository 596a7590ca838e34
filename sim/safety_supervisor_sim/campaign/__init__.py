"""Campaigns: many runs of scenarios whose parameters vary, on all cores and many machines."""
