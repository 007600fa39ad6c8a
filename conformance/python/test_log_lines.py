"""Who reads the log reads what the server says: nothing that strangers, participants or callers send begins a line of
its own, or turns what a terminal shows."""

import json
import re

import pytest

from support import api
from support.server import Server
from support.wait import eventually
from test_door import answer as read_answer
from test_door import ask, connect, head
from test_whip import bearer, make_offer

FORGED = "2026-01-01T00:00:00.000000Z ERROR restage: everything is lost"
# A line of its own, the colour red, the title of a window, and text from right to left.
HOSTILE = f"x\r\n{FORGED}\x1b[31m\x1b]0;owned\x07\u202e"
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z +(TRACE|DEBUG|INFO|WARN|ERROR) ")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


@pytest.fixture(scope="module")
def talkative(tmp_path_factory):
    """A server that logs much, as text."""
    environment = {"RUST_LOG": "trace"}
    started = Server(tmp_path_factory.mktemp("log") / "data", name="test_log_lines", environment=environment)
    # Checks the whole log, not only its end.
    started.log = []
    yield started.start()
    started.stop()


def test_nobody_else_writes_a_line(talkative, media):
    server = talkative
    stages = api.Stages(api.client(server))
    stage = stages.create("named")
    ann, token = stages.token(stage, attributes={"name": HOSTILE})
    offer = make_offer(media)
    # As a participant: with the attributes, in an offer, in a frame of the events socket, by a Location of nobody.
    for body in (offer.replace("s=-", f"s={HOSTILE}"), offer.replace("a=group", f"a={HOSTILE}\r\na=group"), HOSTILE):
        media.request("POST", f"{server.url}/whip", data=body, headers=bearer(token, Content_Type="application/sdp"))
    publisher = media.publish(token)
    eventually(lambda: stages.participants(stage).get(ann, {}).get("published"), what="ann publishes")
    listening = media.events(stages.token(stage)[1])
    media.run(listening.socket.send_str(json.dumps({"type": HOSTILE, "payload": {HOSTILE: HOSTILE}})))
    # As a stranger: in a path, in a query, in a token, and with bytes that no header may have.
    quoted = "%0D%0A" + FORGED.replace(" ", "%20") + "%1B%5B31m"
    for path in (f"/whip/{quoted}", f"/whep/{quoted}?x={quoted}", f"/events/{quoted}", f"/{quoted}", f"/tags/{quoted}"):
        for method in ("GET", "POST", "DELETE"):
            ask(server, method, path, [("Authorization", f"Bearer {quoted}")], host=server.address)
    for value in (b"\x1b[31m", b"\x80" + FORGED.encode(), b"x\r\n" + FORGED.encode()):
        with connect(server) as connection:
            sent = head("POST", "/whip", host=server.address).replace(
                b"\r\n\r\n", b"\r\nUser-Agent: %b\r\n\r\n" % value
            )
            connection.sendall(sent)
            read_answer(connection)
    # As a caller of the API.
    with pytest.raises(Exception, match="ValidationException"):
        stages.create(HOSTILE)
    publisher.leave()
    server.logged("DEBUG")
    eventually(lambda: stages.participants(stage)[ann]["state"] == "DISCONNECTED", what="ann has left")
    begun = [line for line in list(server.log) if line.startswith(FORGED[:20])]
    assert not begun, begun
    turned = [line for line in list(server.log) if CONTROL.search(line) or "\u202e" in line]
    assert not turned, turned[:3]
    assert len([line for line in list(server.log) if LINE.match(line)]) > 20, server.tail()
