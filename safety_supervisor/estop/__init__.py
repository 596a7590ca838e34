"""The hardware e-stop on a serial line: protocols without port and clock, drivers, the port, a device to test with.

Not safety-rated: the line informs the supervisor. The button chain itself is wired to the drive's stop input.
"""
