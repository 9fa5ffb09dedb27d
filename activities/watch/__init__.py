"""Watches a wave's servers after DRS has accepted their job.

Tested in tests/activities/watch/.
"""
