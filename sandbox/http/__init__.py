"""The local AWS over HTTP: faults, the log of calls, the control.

Tested in tests/sandbox/http/ and tests/sandbox/.
"""
