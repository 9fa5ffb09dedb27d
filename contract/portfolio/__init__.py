"""What crosses Temporal about portfolios.

Tested in tests/workflows/test_portfolio.py and tests/activities/portfolio/.
"""
