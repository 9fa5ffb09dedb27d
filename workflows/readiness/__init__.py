"""Looks at whether plans could be recovered now; nothing is launched.

Tested in tests/end_to_end/test_readiness.py.
"""
