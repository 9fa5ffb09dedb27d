"""The workflow of a portfolio.

Tested in tests/workflows/test_portfolio.py and tests/end_to_end/test_portfolios.py.
"""
