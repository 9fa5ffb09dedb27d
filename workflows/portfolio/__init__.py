"""The workflow of a portfolio.

Tested in tests/end_to_end/test_portfolios.py and tests/recovery/portfolio/.
"""
