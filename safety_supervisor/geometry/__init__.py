"""Volumes that wrap a robot's links: proposed from the meshes of its URDF, checked against them, drawn.

A tool for the desk, not for the control cycle: nothing here runs while a robot moves.
"""
