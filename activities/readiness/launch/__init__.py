"""Reads what the launches of a plan's servers need: templates, networks, capacity, snapshots.

Tested in tests/activities/readiness/launch/.
"""
