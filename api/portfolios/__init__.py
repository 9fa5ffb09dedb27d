"""Portfolios in the API.

Tested in tests/api/portfolios/ and tests/end_to_end/test_api_contract.py.
"""
