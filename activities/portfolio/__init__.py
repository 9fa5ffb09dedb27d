"""Starts, follows and cancels the executions of a portfolio's plans.

Tested in tests/activities/portfolio/ and tests/end_to_end/test_portfolios.py.
"""
