"""The plan: its model, its graph, the differences between two plans.

Tested in tests/recovery/plan/.
"""
