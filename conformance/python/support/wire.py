"""A wire between two network interfaces that delays packets, and loses some.

    python wire.py FIRST SECOND DELAY_MS JITTER_MS LOSS_PERCENT SEED
    python wire.py INTERFACE

Whatever comes in at one interface goes out at the other after the delay and up to JITTER_MS more, but in order; of UDP
packets, that share is lost. For kernels without netem. It prints a line when it has begun, and ends by a signal.

Both interfaces are ends of veth pairs. The second form is for their other ends: it keeps these from leaving checksums
and segmentation to the receiver, whose packets would be longer than any link takes.
"""

import array
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SIOCETHTOOL = 0x8946
# Commands of linux/ethtool.h that switch off checksums and segmentation by the interface.
SWITCHES = {"checksums": 0x17, "segmentation of TCP": 0x1F, "segmentation": 0x24}
FRAME_MAX = 65_536
# Frames on the way, each direction; more are lost, as on any wire.
FRAMES_MAX = 20_000


def plain(interface: str) -> None:
    """Makes the kernel do all the work for packets that leave by this interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in SWITCHES.values():
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, SIOCETHTOOL, request)


def is_udp(frame: bytes) -> bool:
    """Whether an Ethernet frame carries UDP, over IPv4 or (without extension headers) IPv6."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return frame[23] == socket.IPPROTO_UDP
    return kind == b"\x86\xdd" and frame[20] == socket.IPPROTO_UDP


def attach(interface: str) -> socket.socket:
    """A socket for all frames of an interface."""
    attached = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    attached.bind((interface, 0))
    return attached


def hurry() -> None:
    """Comes before all other programs on a busy machine: a wire delays packets by its own delay and no other."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("without real-time priority packets may be late", file=sys.stderr, flush=True)


def carry(names: list[str], delay: float, jitter: float, loss: float, chance: random.Random) -> None:
    """Carries frames between two interfaces, for ever; times in seconds, loss from 0 to 1."""
    ends = [attach(name) for name in names]
    poll = select.poll()
    for end in ends:
        end.setblocking(False)
        poll.register(end, select.POLLIN)
    numbers = {end.fileno(): index for index, end in enumerate(ends)}
    waiting: list[tuple[float, int, int, bytes]] = []
    last = [0.0, 0.0]
    count = 0
    print("carries", flush=True)
    while True:
        timeout = None if not waiting else max(0.0, (waiting[0][0] - time.monotonic()) * 1000)
        ready = poll.poll(timeout)
        now = time.monotonic()
        for descriptor, _ in ready:
            index = numbers[descriptor]
            try:
                frame, address = ends[index].recvfrom(FRAME_MAX)
            except BlockingIOError:
                continue
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if len(waiting) >= FRAMES_MAX or (is_udp(frame) and chance.random() < loss):
                continue
            last[index] = max(last[index], now + delay + chance.random() * jitter)
            count += 1
            heapq.heappush(waiting, (last[index], count, 1 - index, frame))
        while waiting and waiting[0][0] <= now:
            _, _, index, frame = heapq.heappop(waiting)
            try:
                ends[index].send(frame)
            except OSError as error:
                print(f"a frame of {len(frame)} bytes is lost: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        plain(sys.argv[1])
        sys.exit()
    first, second, delay_ms, jitter_ms, loss_percent, seed = sys.argv[1:]
    hurry()
    carry(
        [first, second],
        float(delay_ms) / 1000,
        float(jitter_ms) / 1000,
        float(loss_percent) / 100,
        random.Random(int(seed)),
    )
