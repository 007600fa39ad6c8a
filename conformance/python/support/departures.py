"""When pictures leave a server, by the clock of the kernel: on a busy machine a viewer is late itself, and this is not.

A packet socket reads what passes the loopback device; it needs root. The headers of SRTP are not encrypted.
"""

import collections
import ctypes
import socket
import struct
import threading

ETH_P_IP = 0x0800
SO_ATTACH_FILTER, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 26, 35, 33
PACKET_OUTGOING = 4
BUFFER_BYTES = 16 << 20
UDP_BYTES, RTP_BYTES = 8, 12
RTP_VERSION = 2
# The second byte of RTCP (RFC 5761 §4).
RTCP = range(192, 224)
READ_BYTES = 128
STOP_S = 5


def from_port(port):
    """A classic BPF program for UDP from a port, over IPv4 without a link header."""
    return [
        (0x30, 0, 0, 9),  # the protocol
        (0x15, 0, 4, socket.IPPROTO_UDP),
        (0xB1, 0, 0, 0),  # the length of the IP header
        (0x48, 0, 0, 0),  # the source port behind it
        (0x15, 0, 1, port),
        (0x06, 0, 0, READ_BYTES),
        (0x06, 0, 0, 0),
    ]


class Departures:
    """Keeps, for each SSRC that the server sends from a port, when each of its pictures began to leave."""

    def __init__(self, port):
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        program = from_port(port)
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
        self._socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code))
        )
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.2)
        self._socket.bind(("lo", ETH_P_IP))
        self._pictures = collections.defaultdict(list)
        self._bytes = collections.Counter()
        self._newest = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._is_over.is_set():
            try:
                data, ancillary, _, address = self._socket.recvmsg(READ_BYTES, 64)
            except TimeoutError:
                continue
            # What is sent on the loopback device is also received there.
            if address[2] != PACKET_OUTGOING:
                self._take(data, ancillary)

    def _take(self, data, ancillary):
        length = struct.unpack_from("!H", data, 2)[0]
        rtp = data[(data[0] & 0x0F) * 4 + UDP_BYTES :][:RTP_BYTES]
        if len(rtp) < RTP_BYTES or rtp[0] >> 6 != RTP_VERSION or rtp[1] in RTCP:
            return
        _, _, _, timestamp, ssrc = struct.unpack("!BBHII", rtp)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        self._bytes[ssrc] += length
        newest = self._newest.get(ssrc)
        # A packet that is sent again, or late, is of an older picture.
        if newest is None or 0 < (timestamp - newest) & 0xFFFF_FFFF < 1 << 31:
            self._newest[ssrc] = timestamp
            self._pictures[ssrc].append(seconds + nanoseconds / 1e9)

    def stop(self):
        """When the pictures left, of the SSRC with the most bytes: seconds of the system's clock."""
        self._is_over.set()
        self._thread.join(STOP_S)
        self._socket.close()
        if not self._bytes:
            return []
        return self._pictures[self._bytes.most_common(1)[0][0]]
