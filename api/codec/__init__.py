"""The codec endpoint of Temporal's Web UI and CLI."""
