"""When Python looks for garbage."""

import gc

# New objects after which it looks at the newest ones; by default 700.
_NEW_OBJECTS = 20_000
# Looks after which it looks at older ones too; by default 10.
_LOOKS = 10
# Looks at older ones after which it looks at all, if a quarter is new; by default 10. Each workflow
# that has ended is garbage.
_OLDER_LOOKS = 1


def collect_rarely() -> None:
    """Look for garbage less often, and never in what is loaded now and stays."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _LOOKS, _OLDER_LOOKS)
