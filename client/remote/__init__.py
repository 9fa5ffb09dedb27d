"""The command line's way through the API: requests, sign-in, and where the token is kept.

Tested in tests/client/remote/ and tests/end_to_end/test_remote.py.
"""
