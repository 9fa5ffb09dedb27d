"""Launches: one StartRecovery for the launches that share a job.

Tested in tests/activities/launch/.
"""
