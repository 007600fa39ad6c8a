"""`restage publish` and `watch` come back after their tokens have expired, by the secrets the server gave them."""

import signal
import time

import pytest

from support.tokens import KeyPair
from support.wait import eventually
from test_restart import BACK_S, commands, publish, watch

LIFE_S = 12


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="backend")


def test_publish_and_watch_come_back_after_their_tokens_have_expired(ivs, stages, key):
    """The connection ends without a removal, as it does when a path is silent: a client that is stopped for a while."""

    stage = ivs.create_stage(name="brief")["stage"]

    def state(who):
        return stages.participants(stage["arn"]).get(who, {}).get("state")

    expires_at = int(time.time()) + LIFE_S
    tokens = {who: key.token(stage, who, exp=expires_at) for who in ("ann", "bob")}
    with commands() as start:
        publisher = publish(start, tokens["ann"])
        viewer = watch(start, tokens["bob"], "ann")
        eventually(lambda: viewer.pictures_since(0), 30, "bob sees ann")
        eventually(lambda: time.time() > expires_at + 0.5, what="the tokens have expired")
        for who, command in (("bob", viewer), ("ann", publisher)):
            command.process.send_signal(signal.SIGSTOP)
            eventually(lambda who=who: state(who) == "DISCONNECTED", 30, f"the server has given {who} up")
            command.process.send_signal(signal.SIGCONT)
            eventually(lambda who=who: state(who) == "CONNECTED", 40, f"{who} is back {command.said}")
            # The server counts a participant as connected a moment before its client says so.
            eventually(
                lambda command=command: any("back after" in line for _, line in command.said),
                BACK_S,
                f"{who} says so {command.said}",
            )
