"""Reads what the installation has for a recovery: what executions recorded, and where it all is.

Tested in tests/activities/readiness/installation/.
"""
