"""How often one participant may open connections and exchange tokens: so many at once, then so many a second."""

import time

from support.tokens import KeyPair
from support.wait import eventually
from test_keys_tokens import failed
from test_whip import assert_error, bearer, make_offer, post

# From docs/compatibility.md.
AT_ONCE = 250
PER_SECOND = 2
# A server that writes every attempt to a history takes them all well within this.
DEADLINE_S = 30


def use_up(attempt, begun, taken=0):
    """Makes attempts until one is refused with 429, and returns that answer: it must come when it is due.
    `taken` were made before, all of them since `begun`."""
    while (answer := attempt())[0] != 429:
        taken += 1
        assert time.monotonic() < begun + DEADLINE_S, f"{taken} attempts were taken, the last with {answer}"
    elapsed_s = time.monotonic() - begun
    assert AT_ONCE <= taken <= AT_ONCE + PER_SECOND * elapsed_s + 1, f"{taken} in {elapsed_s:.1f} s"
    return answer


def assert_too_often(answer, participant):
    message = assert_error(answer, 429, "TOO_OFTEN")
    assert participant in message and f"{PER_SECOND} times a second" in message
    assert int(answer[1]["Retry-After"]) >= 1


def test_opening_connections(server, stages, media):
    arn = stages.create()
    ann, token = stages.token(arn)
    whip = f"{server.url}/whip"
    # What is refused counts as well: each attempt is a line in a history.
    assert_too_often(use_up(lambda: post(media, whip, token, "v=1"), time.monotonic()), ann)
    # Another kind of connection is no way around it, and nobody else is held up.
    watching = make_offer(media, direction="recvonly")
    assert_too_often(post(media, f"{server.url}/whep/{ann}", token, watching), ann)
    events = media.events(token)
    eventually(lambda: events.is_closed, what="the events socket is closed")
    assert events.close_code == 4429
    media.publish(stages.token(arn)[1], with_video=False)
    # It passes.
    publishing = make_offer(media)
    eventually(lambda: post(media, whip, token, publishing)[0] == 201, what="ann may publish")


def test_exchanging_tokens(server, ivs, stages, media):
    stage = ivs.create_stage()["stage"]
    key = KeyPair().import_into(ivs)
    first, second = key.token(stage, "ann"), key.token(stage, "ann", attributes={"role": "host"})
    begun = time.monotonic()
    events = media.events(first)
    status, headers, _ = post(media, f"{server.url}/whip", first, make_offer(media))
    assert status == 201
    location = server.url + headers["Location"]

    def exchange():
        return media.request("PATCH", location, headers=bearer(second))

    # The socket and the session were the first two.
    assert_too_often(use_up(exchange, begun, taken=2), "ann")
    code, message = failed(events, second)
    assert code == "TOO_OFTEN" and "ann" in message
    eventually(lambda: exchange()[0] == 204, what="ann may exchange again")
