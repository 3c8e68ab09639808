"""`python -m tests.faults`: whole runs with a fault in each, and what became of them.

A run has two kernels and a small suite. One fault is put into it: before it starts, at
a random moment, or in one of its cases. Then it is judged (`judge.py`), and a run
without a fault follows on the same cache and reports. Each run sees the machine's files
through an overlay, so that whatever it writes elsewhere shows.
"""
