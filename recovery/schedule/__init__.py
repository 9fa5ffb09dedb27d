"""Scheduled drills: when they start, why one does not, and what became of each.

Tested in tests/recovery/schedule/.
"""
