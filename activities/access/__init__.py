"""What a worker verifies for itself before it acts.

Tested in tests/activities/access/ and tests/end_to_end/test_signed_requests.py.
"""
