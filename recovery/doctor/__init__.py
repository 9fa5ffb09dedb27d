"""What `drs-waves doctor` says of an installation, judged from evidence.

Tested in tests/recovery/doctor/ and tests/end_to_end/test_doctor.py.
"""
