"""Metrics for Prometheus, from what is recorded.

Tested in tests/api/metrics/.
"""
