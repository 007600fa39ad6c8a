"""Waiting for a state, with a deadline."""

import time

WAIT_S = 30


def eventually(check, what, timeout_s=WAIT_S):
    """What `check` returns as soon as that is true."""
    ends_at = time.monotonic() + timeout_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < ends_at, f"not within {timeout_s} s: {what() if callable(what) else what}"
        time.sleep(0.05)
