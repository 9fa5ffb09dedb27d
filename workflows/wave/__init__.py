"""A wave's workflow.

Tested in tests/workflows/test_wave_workflow.py, tests/workflows/test_steps.py and
tests/workflows/test_details.py.
"""
