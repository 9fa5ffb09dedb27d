"""Compares launch settings with what DRS and EC2 have, and applies them.

Tested in tests/activities/launch_settings/.
"""
