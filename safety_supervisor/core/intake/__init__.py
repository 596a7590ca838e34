"""Is a command well formed, new, and in time?"""
