"""Ports for servers under test, which several processes of tests choose at the same time."""

import fcntl
import os
import pathlib
import random
import socket
import tempfile

# Below the ports that the system gives to connections: one of those could be taken while a server restarts.
# browser/support/server.js takes those from 25000.
PORTS = range(10_000, 25_000)
# Byte n of it is locked by the process that has port n. The system ends the locks of a process with it.
LOCKS = pathlib.Path(tempfile.gettempdir()) / f"restage-test-ports-{os.getuid()}"

_taken = set()
_locks = None


def free_port(kind, host="127.0.0.1"):
    """A port of an IPv4 address that nobody uses, and that no other process of tests gets while this one runs."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in _taken and _is_unused(port, kind, host) and _is_locked(port):
            _taken.add(port)
            return port
    raise AssertionError(f"every port from {PORTS.start} to {PORTS.stop - 1} is used")


def _is_unused(port, kind, host):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _is_locked(port):
    """Whether this process has got the lock of a port."""
    global _locks
    if _locks is None:
        # It stays open: closing any handle of a file ends all locks of its process.
        _locks = open(LOCKS, "ab")  # noqa: SIM115
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True
