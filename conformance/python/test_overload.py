"""A server that has used up its processor time admits no new clients, and continues to serve the others."""

import concurrent.futures
import json
import urllib.request

import pytest

from support import api
from support.cgroup import Cgroup
from support.media import Refused
from support.server import Server
from support.wait import eventually

# It is about processor time.
pytestmark = pytest.mark.alone

# So little that reading metrics alone uses it up.
PROCESSORS = 0.03
# A limited server is slow in everything.
LIMIT_S = 60


@pytest.fixture
def limited(tmp_path):
    """A server, and the control group that it is in."""
    group = Cgroup()
    server = Server(tmp_path / "data", name="test_overload").start()
    try:
        group.add(server.process.pid)
        yield server, group
    finally:
        group.limit(None)
        server.stop()
        group.remove()


def metric(server, name):
    with urllib.request.urlopen(server.url + "/metrics", timeout=LIMIT_S) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


def join(media, token, publisher):
    """The outcome for a new viewer: None if it is admitted."""
    try:
        media.watch(token, publisher).leave()
    except Refused as refused:
        return refused
    return None


def test_nobody_new_is_let_in_until_there_is_time_again(limited, media):
    server, group = limited
    stages = api.Stages(api.client(server))
    arn = stages.create()
    ann, publish = stages.token(arn)
    media.publish(publish, with_video=False)
    eventually(lambda: stages.participants(arn).get(ann, {}).get("published"), what="ann publishes")
    bob, watch = stages.token(arn)
    assert join(media, watch, ann) is None

    group.limit(PROCESSORS)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        is_over = False

        def use_up():
            while not is_over:
                metric(server, "restage_media_load")

        work = pool.submit(use_up)
        try:
            refused = eventually(lambda: join(media, watch, ann), what="nobody is let in", timeout_s=LIMIT_S)
            # A participant that publishes may come back.
            media.publish(publish, with_video=False)
        finally:
            is_over = True
            group.limit(None)
            work.result()
    body = json.loads(refused.body)
    assert (refused.status, body["code"]) == (503, "STAGE_AT_CAPACITY"), body
    assert "processor time" in body["message"], body
    assert int(refused.headers["Retry-After"]) >= 1
    failures = 'restage_connection_failures_total{kind="subscribe",reason="overload"}'
    assert metric(server, failures) >= 1
    eventually(lambda: join(media, watch, ann) is None, what="there is time again", timeout_s=LIMIT_S)
    assert metric(server, "restage_media_load") < 0.9
    # Repeated attempts must not make the history grow.
    assert "SUBSCRIBE_ERROR" not in [event["name"] for event in stages.events(arn, bob)]
