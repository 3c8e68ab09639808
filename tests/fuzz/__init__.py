"""Fuzzing with coverage of what reads foreign input.

`python -m tests.fuzz --seconds 60` runs every target; CONTRIBUTING.md says more.
"""
