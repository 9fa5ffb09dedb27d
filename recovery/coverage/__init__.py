"""What no plan recovers, and which plans no drill has proved: pure judgements over evidence.

Tested in tests/recovery/coverage/.
"""
