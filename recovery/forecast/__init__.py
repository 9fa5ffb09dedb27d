"""How long plans will take, from what earlier executions took.

Tested in tests/recovery/forecast/ and tests/cli/commands/test_forecast.py.
"""
