"""A server of recordings that is not restage's: it breaks off, lets links end, and names what it should not."""

import http.server
import json
import re
import threading

LINK = "/recordings/link-"


class Vault:
    """One recording with these objects, by path. What it does wrong is set by its fields."""

    def __init__(self, objects, **recording):
        self.objects = dict(objects)
        self.recording = {
            "recordingState": "STOPPED",
            "thumbnailStorage": [],
            "mediaTypes": ["AUDIO_VIDEO"],
        } | recording
        # (path, first byte) of each request for an object, None for a whole one.
        self.asked = []
        # Bytes after which the answer for a path breaks off.
        self.cuts = {}
        # Requests for objects after which the first link has ended.
        self.link_ends_after = None
        self.links = 0
        self.lock = threading.Lock()
        vault = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                vault.answer_call(self)

            def do_GET(self):
                vault.answer_object(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer_call(self, request):
        if request.path.endswith("/GetRecordingUrl"):
            self.links += 1
            # Another name than the one by which this server is reached: the client asks where it called.
            answer = {"recordingUrl": {"url": f"https://video.example.org{LINK}{self.links}/"}}
        else:
            answer = {"recording": self.recording}
        body = json.dumps(answer).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def answer_object(self, request):
        link, path = re.fullmatch(r"/recordings/link-(\d+)/(.*)", request.path).groups()
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else None
        with self.lock:
            self.asked.append((path, first))
            has_ended = self.link_ends_after is not None and int(link) == 1 and len(self.asked) > self.link_ends_after
        content = self.objects.get(path)
        if has_ended or content is None:
            request.send_response(403 if has_ended else 404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        size = len(content)
        if first is not None and first >= size:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{size}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = content[first or 0 :]
        request.send_response(200 if first is None else 206)
        if first is not None:
            request.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        cut = self.cuts.get(path)
        if cut is None or cut >= len(body):
            request.wfile.write(body)
            return
        request.wfile.write(body[:cut])
        request.wfile.flush()
        request.close_connection = True
