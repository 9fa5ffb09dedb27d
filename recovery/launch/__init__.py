"""Which launches are admitted under the quotas, and which share a job.

Tested in tests/recovery/launch/.
"""
