"""Source servers, recovery instances and snapshots. Tested in tests/sandbox/drs/servers/."""
