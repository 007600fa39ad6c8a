"""A webhook receiver on loopback that verifies events, and refuses some of them on purpose."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

TOLERANCE_S = 300


def is_signed(secret, headers, body):
    """Whether the holder of the secret sent this just now: the check that docs/operations.md describes."""
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < TOLERANCE_S
    return is_fresh and hmac.compare_digest(expected, headers["webhook-signature"])


class Receiver:
    """Takes events at `url`. `refuse` is asked with each event and how often it came before: 200 takes it. `delay` is
    called with each before, and may take its time: events that come meanwhile are not held up."""

    def __init__(self, secret, refuse=lambda event, seen: 200, delay=lambda event: None):
        self.secret = secret
        self.refuse = refuse
        self.delay = delay
        self.under_way = []
        self.taken = []
        self.attempts = {}
        self.faults = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                event = json.loads(body)
                # At its arrival: what is delayed for long has a signature that is too old.
                signed = is_signed(receiver.secret, self.headers, body)
                receiver.under_way.append(event)
                receiver.delay(event)
                status = receiver.receive(self.headers, body, signed)
                receiver.under_way.remove(event)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            # A webhook opens as many connections at once as it has lanes.
            request_queue_size = 1024
            daemon_threads = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def receive(self, headers, body, signed):
        with self._lock:
            if not signed:
                self.faults.append("a signature is wrong")
                return 401
            event = json.loads(body)
            if headers["ce-specversion"] != "1.0" or headers["ce-id"] != event["id"]:
                self.faults.append(f"CloudEvents headers do not fit {event}")
            if headers["webhook-id"] != event["id"] or headers["ce-source"] != event["resources"][0]:
                self.faults.append(f"headers do not fit {event}")
            seen = self.attempts.get(event["id"], 0)
            self.attempts[event["id"]] = seen + 1
            status = self.refuse(event, seen)
            if status == 200:
                self.taken.append(event)
            return status

    def waits(self, arn):
        """Whether an event of a stage has arrived and is not answered yet."""
        return any(event["resources"] == [arn] for event in list(self.under_way))

    def events(self):
        """The accepted events, without repetitions, in the order of their first arrival."""
        with self._lock:
            return list({event["id"]: event for event in self.taken}.values())

    def close(self):
        self._server.shutdown()
        self._server.server_close()
