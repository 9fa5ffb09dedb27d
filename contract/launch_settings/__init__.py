"""What crosses Temporal about launch settings: leases of launch templates.

Tested in tests/workflows/ and tests/activities/isolation/.
"""
