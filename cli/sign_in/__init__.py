"""Signing in at the API. Tested in tests/cli/sign_in/ and tests/end_to_end/test_remote.py."""
