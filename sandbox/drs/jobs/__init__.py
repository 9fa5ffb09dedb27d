"""DRS's jobs and what becomes of their servers over time. Tested in tests/sandbox/drs/jobs/."""
