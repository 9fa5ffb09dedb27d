"""Portfolios: many plans that are run together, in an order. Pure.

Tested in tests/recovery/portfolio/.
"""
