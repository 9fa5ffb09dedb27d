"""The API and the pages over HTTP. Tested in tests/api/ and tests/end_to_end/test_api.py."""
