"""The wire format of Temporal: inputs, results, signals, IDs, task queues.

Tested in tests/workflows/test_recorded_inputs.py and tests/end_to_end/.
"""
