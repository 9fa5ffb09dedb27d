"""Watches a wave's servers from the acceptance of its job on.

Tested in tests/activities/watch/.
"""
