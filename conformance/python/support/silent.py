"""A TCP proxy that stops forwarding bytes on request, without closing connections."""

import contextlib
import socket
import threading


class SilentProxy:
    """Forwards `port` of loopback to `target`, a (host, port)."""

    def __init__(self, target):
        self.target = target
        self._passes = threading.Event()
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self):
        """Existing connections forward nothing any more; new ones neither, until `resume`."""
        self._passes.clear()

    def resume(self):
        """New connections forward everything again."""
        self._passes = threading.Event()
        self._passes.set()

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                passes = self._passes
                server = socket.create_connection(self.target)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=relay, args=(source, sink, passes), daemon=True).start()


def relay(source, sink, passes):
    """Copies bytes from one side to the other, or drops them once `passes` is cleared. The sockets stay open."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            if not passes.is_set():
                threading.Event().wait()
            sink.sendall(data)
        if passes.is_set():
            sink.shutdown(socket.SHUT_WR)
