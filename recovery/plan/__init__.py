"""The plan: what it is made of, its graph, what differs between two.

Tested in tests/recovery/plan/.
"""
