"""What steps and checks reach besides servers: AWS services by script, DNS, an HTTP service.

Tested in tests/sandbox/services/.
"""
