"""The worker process: workflow runner, versioning, exit codes.

Tested in tests/runtime/, tests/test_settings.py and tests/end_to_end/test_workers.py.
"""
