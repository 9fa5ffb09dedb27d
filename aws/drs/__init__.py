"""What is known of DRS; what comes out of here is already true.

Tested in tests/aws/drs/ and tests/activities/.
"""
