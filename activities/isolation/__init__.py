"""Isolated drills: their versions of launch templates, from their creation until all is restored.

Tested in tests/activities/isolation/.
"""
