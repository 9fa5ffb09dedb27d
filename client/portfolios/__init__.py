"""Starts, reads and steers portfolios.

Tested in tests/end_to_end/test_portfolios.py and tests/client/portfolios/.
"""
