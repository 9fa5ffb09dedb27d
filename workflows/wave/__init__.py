"""A wave's workflow. Tested in tests/workflows/test_wave_workflow.py."""
