"""STUN binding checks as an ICE agent sends them (RFC 8445 §7.2.4), from the host where this runs.

As a program, so that it can be run in another network namespace:
`python stun.py HOST PORT USERNAME PASSWORD [--wait SECONDS] [--forged ADDRESS]` prints where the answer came from, or
nothing.
"""

import argparse
import ipaddress
import re
import socket
import struct
import time

from aioice import stun

# Long enough for a busy machine; a caller that expects no answer passes a shorter time.
ANSWER_S = 10.0
SILENCE_S = 0.5
IPPROTO_UDP = 17


def credentials(sdp):
    """(ufrag, password) of a session description."""
    return tuple(re.search(rf"^a=ice-{name}:(\S+)", sdp, re.MULTILINE).group(1) for name in ("ufrag", "pwd"))


def check(username, password):
    """The bytes of a valid check."""
    message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1_853_824_767
    message.attributes["ICE-CONTROLLING"] = 1
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    message.add_fingerprint()
    return bytes(message)


def ask(host, port, username, password, source="", wait_s=ANSWER_S):
    """The address that answered, or None. `source` is the address to send from."""
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.sendto(check(username, password), (host, port))
        ends_at = time.monotonic() + wait_s
        # The server may send a check of its own meanwhile, which is not an answer.
        while (rest := ends_at - time.monotonic()) > 0:
            client.settimeout(rest)
            try:
                data, sender = client.recvfrom(2048)
            except TimeoutError:
                return None
            answer = stun.parse_message(data)
            if answer.message_class == stun.Class.RESPONSE:
                assert answer.check_message_integrity(password.encode())
                return sender[0]
    return None


def forge(host, port, username, password, source):
    """Sends the check with a source address that is not this host's (IPv4)."""
    payload = check(username, password)
    udp = struct.pack("!HHHH", 50_000, port, 8 + len(payload), 0) + payload
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(host).packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, IPPROTO_UDP, 0) + ends
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + udp, (host, 0))


def main():
    parser = argparse.ArgumentParser()
    for name in ("host", "port", "username", "password"):
        parser.add_argument(name)
    parser.add_argument("--wait", type=float, default=ANSWER_S)
    parser.add_argument("--forged")
    given = parser.parse_args()
    if given.forged:
        forge(given.host, int(given.port), given.username, given.password, given.forged)
    else:
        print(ask(given.host, int(given.port), given.username, given.password, wait_s=given.wait) or "")


if __name__ == "__main__":
    main()
