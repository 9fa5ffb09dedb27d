"""The client of DRS; it corrects DRS's known deviations from its documentation.

Tested in tests/aws/drs/ and tests/activities/.
"""
