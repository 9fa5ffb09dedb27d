"""The metrics that workers measure. Tested in tests/end_to_end/test_telemetry.py."""
