"""What only a worker can see of an installation: its targets, channels and keys.

Tested in tests/end_to_end/test_doctor.py.
"""
