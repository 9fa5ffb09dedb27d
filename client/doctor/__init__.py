"""Examines an installation: Temporal, its workers, and what these see.

Tested in tests/end_to_end/test_doctor.py.
"""
