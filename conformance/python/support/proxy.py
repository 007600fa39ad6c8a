"""A reverse proxy that serves under a path and removes it from requests, as nginx and Caddy are often set up."""

import contextlib
import socket
import socketserver
import threading

HEAD_LEN_MAX = 64 * 1024


class StrippingProxy:
    """`http://127.0.0.1:PORT/PREFIX/x` is `/x` of the server behind it, which `target` names once it exists."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.target = None
        # Paths of the requests that were forwarded.
        self.passed = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                proxy._serve(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, client):
        """Forwards one request and its answer, or a WebSocket; then the connection ends."""
        head, rest = read_head(client)
        if head is None:
            return
        lines = head.split(b"\r\n")
        method, target, version = lines[0].decode("latin-1").split(" ", 2)
        if not target.startswith((self.prefix + "/", self.prefix + "?")) and target != self.prefix:
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        target = target.removeprefix(self.prefix)
        target = target if target.startswith("/") else "/" + target
        self.passed.append(target)
        kept = lines[1:]
        if not any(line.lower().startswith(b"upgrade:") for line in kept):
            kept = [line for line in kept if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
        with socket.create_connection(("127.0.0.1", self.target), 10) as server:
            server.settimeout(None)
            server.sendall(b"\r\n".join([f"{method} {target} {version}".encode("latin-1"), *kept]) + b"\r\n\r\n" + rest)
            upstream = threading.Thread(target=relay, args=(client, server), daemon=True)
            upstream.start()
            relay(server, client)


def read_head(connection):
    """(the head of a request without its empty line, the bytes after it), or (None, b"") at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more or len(data) > HEAD_LEN_MAX:
            return None, b""
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def relay(source, sink):
    """Copies all bytes from one side to the other, and then its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
