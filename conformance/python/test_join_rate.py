"""How often one participant may open connections and exchange tokens: so many at once, then so many a second."""

import time

from support.tokens import KeyPair
from support.wait import eventually
from test_keys_tokens import exchange as exchange_events
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


def use_up_again(attempt, since):
    """The same after all was used up at `since`: no more is taken than time has given back."""
    taken = 0
    while (answer := attempt())[0] != 429:
        taken += 1
        assert taken <= PER_SECOND * (time.monotonic() - since) + 1, f"{taken} more, the last with {answer}"
    return answer


def assert_too_often(answer, participant):
    message = assert_error(answer, 429, "TOO_OFTEN")
    assert participant in message and f"{PER_SECOND} times a second" in message
    assert int(answer[1]["Retry-After"]) >= 1


def open_events(media, token):
    """The outcome of an events socket, as a status."""
    events = media.events(token)
    eventually(lambda: events.is_closed or events.states(), what="the socket is closed or served")
    if not events.is_closed:
        events.close()
        return 101, events
    assert events.close_code == 4429
    return 429, events


def test_opening_connections(server, stages, media):
    arn = stages.create()
    ann, token = stages.token(arn)
    whip = f"{server.url}/whip"
    watching, publishing = make_offer(media, direction="recvonly"), make_offer(media)
    # Refused attempts count as well, because each of them is an event in a history.
    assert_too_often(use_up(lambda: post(media, whip, token, "v=1"), time.monotonic()), ann)
    since = time.monotonic()
    # Another kind of connection does not evade the limit, and other participants are not affected.
    whep = f"{server.url}/whep/{ann}"
    assert_too_often(use_up_again(lambda: post(media, whep, token, watching), since), ann)
    use_up_again(lambda: open_events(media, token), since)
    media.publish(stages.token(arn)[1], with_video=False)
    # It passes.
    eventually(lambda: post(media, whip, token, publishing)[0] == 201, what="ann may publish")


def test_exchanging_tokens(server, ivs, stages, media):
    stage = ivs.create_stage()["stage"]
    key = KeyPair().import_into(ivs)
    first, second = key.token(stage, "ann"), key.token(stage, "ann", attributes={"role": "host"})
    offer = make_offer(media)
    begun = time.monotonic()
    events = media.events(first)
    status, headers, _ = post(media, f"{server.url}/whip", first, offer)
    assert status == 201
    location = server.url + headers["Location"]

    def exchange():
        return media.request("PATCH", location, headers=bearer(second))

    def exchange_by_socket():
        answer = exchange_events(events, second)
        return (429 if answer["payload"].get("code") == "TOO_OFTEN" else 204), answer

    # The socket and the session were the first two.
    assert_too_often(use_up(exchange, begun, taken=2), "ann")
    _, answer = use_up_again(exchange_by_socket, time.monotonic())
    assert answer["type"] == "TOKEN_EXCHANGE_ERROR" and "ann" in answer["payload"]["message"]
    assert not events.is_closed
    eventually(lambda: exchange()[0] == 204, what="ann may exchange again")
