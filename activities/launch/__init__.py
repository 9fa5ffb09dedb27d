"""Launches: one StartRecovery for all launches of a job.

Tested in tests/activities/launch/.
"""
