"""Admits launches under the quotas, and combines them into jobs.

Tested in tests/recovery/launch/.
"""
