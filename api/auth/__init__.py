"""Who a caller is, and what it may do.

Tested in tests/api/auth/ and tests/end_to_end/pages/test_access.py.
"""
