"""Launch settings of servers: what a plan wants, and what DRS and EC2 have.

Tested in tests/recovery/launch_settings/.
"""
