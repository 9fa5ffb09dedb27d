"""What crosses Temporal about portfolios.

Tested in tests/end_to_end/test_portfolios.py and tests/activities/portfolio/.
"""
