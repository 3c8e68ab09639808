"""Suites: their files, what they refer to, and the checks that they state."""
