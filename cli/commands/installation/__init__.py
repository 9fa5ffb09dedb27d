"""Commands about the installation, not about plans. Tested in tests/cli/commands/installation/."""
