"""Waits for a state with a deadline. No test sleeps for a fixed time."""

import time

POLL_S = 0.05


def eventually(check, timeout_s=15.0, what=""):
    """Calls `check` until it returns something true, and returns that; at the deadline raises its last error."""
    ends_at = time.monotonic() + timeout_s
    while True:
        error = None
        try:
            result = check()
            if result:
                return result
        except AssertionError as caught:
            result, error = None, caught
        if time.monotonic() >= ends_at:
            message = f"not within {timeout_s:g} s: {what or check.__name__}"
            raise AssertionError(f"{message} ({error or f'last seen: {result!r}'})") from error
        time.sleep(POLL_S)


def stays(check, for_s, what=""):
    """Fails unless `check` stays true for `for_s` seconds: for states that must not change."""
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        assert check(), what or check.__name__
        time.sleep(POLL_S)
