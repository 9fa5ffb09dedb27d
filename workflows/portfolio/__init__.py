"""The workflow of a portfolio.

Tested in tests/end_to_end/test_portfolios.py, tests/workflows/test_portfolio.py and
tests/recovery/portfolio/.
"""
