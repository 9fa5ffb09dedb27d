"""The schedules of registered plans.

Tested in tests/end_to_end/test_scheduled_drills.py and tests/end_to_end/test_api_contract.py.
"""
