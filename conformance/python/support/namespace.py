"""Another host: a network namespace, connected to this one by a pair of virtual interfaces."""

import contextlib
import ipaddress
import itertools
import os
import pathlib
import shutil
import subprocess
import sys

STUN = pathlib.Path(__file__).with_name("stun.py")
# From 198.18.0.0/15, which is for tests between hosts (RFC 2544), and from IPv6's unique local addresses.
NETWORKS_V4 = ipaddress.ip_network("198.18.0.0/15")
NETWORKS_V6 = ipaddress.ip_network("fd52:6573:7461::/48")
RUN_S = 30

_numbers = itertools.count()


def missing():
    """Why this machine cannot make one, or None."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("ip") is None:
        return "there is no ip (Debian package iproute2)"
    return None


def ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True, timeout=RUN_S)


class OtherHost:
    """The other host. `here` and `there` are the IPv4 addresses of the two ends, `here6` and `there6` those of IPv6."""

    def __init__(self):
        number = next(_numbers)
        self.name = f"restage-{os.getpid()}-{number}"
        self.near, self.far = f"rs{os.getpid()}n{number}", f"rs{os.getpid()}f{number}"
        block = (os.getpid() * 4 + number) % (NETWORKS_V4.num_addresses // 4)
        self.here, self.there = (str(NETWORKS_V4[block * 4 + last]) for last in (1, 2))
        self.here6, self.there6 = (str(NETWORKS_V6[block * 65536 + last]) for last in (1, 2))

    def make(self):
        ip("netns", "add", self.name)
        ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        # Without duplicate address detection an IPv6 address can be used at once.
        ip("address", "add", f"{self.here}/30", "dev", self.near)
        ip("address", "add", f"{self.here6}/64", "dev", self.near, "nodad")
        ip("link", "set", self.near, "up")
        inside = ("-netns", self.name)
        ip(*inside, "address", "add", f"{self.there}/30", "dev", self.far)
        ip(*inside, "address", "add", f"{self.there6}/64", "dev", self.far, "nodad")
        ip(*inside, "link", "set", self.far, "up")
        ip(*inside, "link", "set", "lo", "up")

    def neighbours(self, count):
        """Gives the host so many further IPv6 addresses, each in a /64 of its own, and returns them."""
        prefix = f"fd53:{os.getpid() % 65536:x}:{self.near.rpartition('n')[2]}"
        ip("-6", "route", "add", f"{prefix}::/48", "dev", self.near)
        found = [f"{prefix}:{number:x}::1" for number in range(1, count + 1)]
        for address in found:
            ip("-netns", self.name, "address", "add", f"{address}/64", "dev", self.far, "nodad")
        ip("-netns", self.name, "-6", "route", "add", f"{self.here6}/128", "dev", self.far)
        return found

    def start(self, program, *arguments):
        """Starts a program of this directory there, with pipes."""
        command = ["ip", "netns", "exec", self.name, sys.executable, str(STUN.with_name(program)), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def remove(self):
        # Both interfaces disappear together; a namespace that was never made is no error.
        ip("link", "delete", self.near, check=False)
        ip("netns", "delete", self.name, check=False)

    def stun(self, *arguments):
        """Runs `stun.py` there and returns its output."""
        command = ["ip", "netns", "exec", self.name, sys.executable, str(STUN), *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=True)
        return ran.stdout.strip()


@contextlib.contextmanager
def other_host():
    """A host that is removed afterwards in any case."""
    host = OtherHost()
    try:
        host.make()
        yield host
    finally:
        host.remove()
