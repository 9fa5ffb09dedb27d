"""What crosses Temporal: inputs, results, signals, identifiers. Models only.

Tested in tests/contract/test_models.py, and by what sends and takes them in tests/workflows.
"""
