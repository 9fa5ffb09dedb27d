"""Timeouts of calls to Temporal."""

from datetime import timedelta

CONNECT_SECONDS = 10.0
RPC_TIMEOUT = timedelta(seconds=10)
# A worker may answer a query by replaying the history, which takes seconds for 1,000 waves.
REPLAY_TIMEOUT = timedelta(seconds=60)
# An update has no limit of its own: the SDK repeats it until a worker answers.
UPDATE_SECONDS = 10.0
