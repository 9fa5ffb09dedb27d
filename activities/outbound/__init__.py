"""Connections to hosts that plans and channels name.

Tested in tests/activities/outbound/.
"""
