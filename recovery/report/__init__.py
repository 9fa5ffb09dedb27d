"""The report of an execution, and of a plan over time, from what the history has. No I/O.

Tested in tests/recovery/report/.
"""
