"""The open decisions of all executions, for the API and the pages.

Tested in tests/api/decisions/ and tests/end_to_end/pages/test_decisions.py.
"""
