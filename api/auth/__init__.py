"""Authentication and roles of callers.

Tested in tests/api/auth/ and tests/end_to_end/pages/test_access.py.
"""
