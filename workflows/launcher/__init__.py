"""The launcher's workflow. Tested in tests/workflows/test_launcher.py."""
