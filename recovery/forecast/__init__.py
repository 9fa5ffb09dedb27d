"""Forecasts of how long plans take, from the durations of earlier executions.

Tested in tests/recovery/forecast/ and tests/cli/commands/test_forecast.py.
"""
