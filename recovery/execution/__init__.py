"""An execution's state: judged, scheduled, summed up. Tested in tests/recovery/execution/."""
