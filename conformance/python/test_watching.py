"""What happens is told: statistics, who speaks, who is muted; in the source stage and where a replica is shown."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from support.wait import eventually
from test_observability import value


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("watching-source"), stages.create("watching-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


@pytest.fixture
def ann(stages, media, pair):
    """(participant id, token, publisher): published in the source stage and replicated into the destination."""
    ann, token = stages.token(pair[0])
    publisher = media.publish(token, identity=7)
    eventually(lambda: stages.participants(pair[0]).get(ann, {}).get("published"), what="ann is published")
    stages.replicate(*pair, ann)
    return ann, token, publisher


def of_type(events, kind):
    """The payloads of this type so far."""
    return [frame["payload"] for frame in events.frames if frame["type"] == kind]


def ask(events, kind, payload):
    """Sends a message of this type and returns the answer's type and payload."""
    before = len(events.frames)
    events.send(json.dumps({"type": kind, "payload": payload}))
    is_answer = lambda frame: frame["type"] in (f"{kind}D", f"{kind}_ERROR")  # noqa: E731
    new = lambda: [frame for frame in events.frames[before:] if is_answer(frame)]  # noqa: E731
    answer = eventually(new, what="an answer")[0]
    return answer["type"], answer["payload"]


def console(server, **query):
    """The console's list of connections: (status, body)."""
    key = (server.data_dir / "console.key").read_text().strip()
    url = f"{server.url}/console/api/connections?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_an_operator_sees_what_is_counted_of_each_connection(server, stages, media, pair, ann):
    source, destination = pair
    who, _, publisher = ann
    watchers = [media.watch(stages.token(stage)[1], who) for stage in (source, destination, destination)]
    for watcher in watchers:
        watcher.wait_for(7)

    def connections(stage, **query):
        status, body = console(server, stageArn=stage, **query)
        assert status == 200, body
        return body["connections"]

    def seen(stage):
        all_of_it = connections(stage)
        assert all(track["bitrate"] > 0 for one in all_of_it for track in one["tracks"])
        return all_of_it

    here = eventually(lambda: seen(source), what="rates are measured in the source stage")
    assert sorted(one["direction"] for one in here) == ["publish", "subscribe"]
    (sending,) = [one for one in here if one["direction"] == "publish"]
    assert (sending["participantId"], sending["transport"]) == (who, "udp")
    assert sending["session"] == publisher.location.rsplit("/", 1)[1]
    video = next(track for track in sending["tracks"] if track["kind"] == "video")
    assert (video["codec"], video["label"]) == ("VP8", "hi")
    assert (video["width"], video["height"]) == watchers[0].size
    assert video["frames"] > 5 and video["packets"] >= video["frames"]

    there = eventually(lambda: seen(destination), what="rates are measured in the destination stage")
    assert [one["remoteParticipantId"] for one in there] == [who, who]
    for one in there:
        assert one["direction"] == "subscribe" and not one["isPaused"]
        assert [track["kind"] for track in one["tracks"]] == ["audio", "video"]
        assert one["tracks"][1]["label"] == "hi" and one["tracks"][1]["packets"] > 10
    assert connections(destination, participantId=who) == []
    assert len(connections(source, participantId=who)) == 1

    # Pages of one.
    _, first = console(server, stageArn=destination, maxResults=1)
    _, second = console(server, stageArn=destination, maxResults=1, nextToken=first["nextToken"])
    sessions = [one["session"] for page in (first, second) for one in page["connections"]]
    assert sessions == [one["session"] for one in there] and "nextToken" not in second
    for query in (
        {},
        {"stageArn": "arn"},
        {"stageArn": source, "maxResults": 0},
        {"stageArn": source, "maxResults": 101},
        {"stageArn": source, "maxResults": "many"},
    ):
        status, body = console(server, **query)
        assert (status, body["code"]) == (400, "INVALID"), query
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/console/api/connections?stageArn={source}", timeout=10)
    assert refused.value.code == 401

    # Prometheus, without labels of participants.
    eventually(
        lambda: value(server, "restage_media_peers_connected", kind="subscribe", protocol="udp") == 3,
        what="every connection was looked at",
    )
    assert value(server, "restage_media_subscribers_by_layer", layer="hi") == 3
    assert value(server, "restage_media_peer_received_bits_per_second_count") >= 3
    assert value(server, "restage_media_peer_published_bits_per_second_count") >= 1


def test_a_participant_is_told_its_own_statistics_as_often_as_it_asks(stages, media, pair, ann):
    _, destination = pair
    who, token, publisher = ann
    _, bob = stages.token(destination)
    events, own = media.events(bob), media.events(token)
    watcher = media.watch(bob, who)
    watcher.wait_for(7)
    assert ask(events, "STATS_CONFIGURE", {"everyMs": 1000}) == ("STATS_CONFIGURED", {"everyMs": 1000})
    told = eventually(lambda: len(of_type(events, "STATS")) >= 3 and of_type(events, "STATS"), what="three reports")
    (connection,) = told[-1]["connections"]
    assert (connection["remoteParticipantId"], connection["direction"]) == (who, "subscribe")
    assert connection["session"] == watcher.location.rsplit("/", 1)[1]
    packets = [sum(track["packets"] for track in one["connections"][0]["tracks"]) for one in told]
    assert packets == sorted(packets) and packets[-1] > packets[0]
    ask(own, "STATS_CONFIGURE", {"everyMs": 60_000})
    (mine,) = eventually(lambda: of_type(own, "STATS"), what="the first report comes at once")[0]["connections"]
    assert (mine["direction"], mine["session"]) == ("publish", publisher.location.rsplit("/", 1)[1])

    # Asking in a loop brings no more of them.
    before, answers = (len(of_type(events, kind)) for kind in ("STATS", "STATS_CONFIGURED"))
    for _ in range(200):
        events.send(json.dumps({"type": "STATS_CONFIGURE", "payload": {"everyMs": 60_000}}))
    eventually(lambda: len(of_type(events, "STATS_CONFIGURED")) == answers + 200, what="all answers")
    assert ask(events, "STATS_CONFIGURE", {"everyMs": 0}) == ("STATS_CONFIGURED", {"everyMs": 0})
    assert len(of_type(events, "STATS")) <= before + 3
    for payload in ({}, {"everyMs": 10}, {"everyMs": "1000"}, {"everyMs": 1e9}, [], "x", None):
        kind, told = ask(events, "STATS_CONFIGURE", payload)
        assert (kind, told["code"], told["member"]) == ("STATS_CONFIGURE_ERROR", "INVALID", "everyMs")
    assert not events.is_closed
    watcher.wait_for(7)


def test_who_speaks_is_told_in_both_stages_and_silence_is_not(stages, media, pair, ann):
    source, destination = pair
    who, _, publisher = ann
    listeners = [media.events(stages.token(stage)[1]) for stage in (source, destination)]
    for stage, events in zip((source, destination), listeners, strict=True):
        told = eventually(lambda events=events: of_type(events, "STAGE_ACTIVE_SPEAKER_CHANGED"), what="who speaks")
        stage_id = stage.rsplit("/", 1)[1]
        assert told == [{"stageId": stage_id, "participantId": who, "speaking": [who]}]
    late = media.events(stages.token(destination)[1])
    eventually(lambda: of_type(late, "STAGE_ACTIVE_SPEAKER_CHANGED"), what="a newcomer is told")
    assert [frame["type"] for frame in late.frames[:1]] == ["STAGE_STATE"]
    publisher.leave()
    for events in listeners:
        last = lambda events=events: of_type(events, "STAGE_ACTIVE_SPEAKER_CHANGED")[-1]  # noqa: E731
        eventually(lambda last=last: last()["participantId"] is None, what="nobody speaks")
        assert last()["speaking"] == []


def test_who_is_muted_does_not_speak_whatever_it_sends(stages, media, pair, ann):
    who, token, _ = ann
    own = media.events(token)
    listeners = [media.events(stages.token(stage)[1]) for stage in pair]
    spoken = lambda events: of_type(events, "STAGE_ACTIVE_SPEAKER_CHANGED")  # noqa: E731
    is_last = lambda events, speaker: spoken(events) and spoken(events)[-1]["participantId"] == speaker  # noqa: E731

    def wait_for(speaker):
        for events in listeners:
            eventually(lambda events=events: is_last(events, speaker), what=f"the speaker is {speaker}")
            assert spoken(events)[-1]["speaking"] == ([who] if speaker else [])

    wait_for(who)
    # Its sound goes on: only what it says changes.
    for is_muted, speaker in ((True, None), (False, who)):
        kind, _ = ask(own, "PUBLISH_CONFIGURE", {"audioMuted": is_muted})
        assert kind == "PUBLISH_CONFIGURED"
        wait_for(speaker)


def test_the_list_of_connections_is_of_a_stage_that_is_there(server, stages):
    stage = stages.create("connections")
    assert console(server, stageArn=stage) == (200, {"connections": []})
    region = stage.split(":")[3]
    for another in (stage[:-1] + ("a" if stage[-1] != "a" else "b"), stage.replace(region, "eu-north-9")):
        status, body = console(server, stageArn=another)
        assert (status, body["code"]) == (404, "NOT_FOUND"), another
        assert another in body["message"]
    account = stage.split(":")[4]
    for wrong in (
        stage.replace(region, region.upper()),
        stage.replace(region, "eu_north"),
        stage.replace(region, ""),
        stage.replace(region, "x" * 33),
        stage.replace(account, "1" * 12),
        stage.replace(":stage/", ":channel/"),
    ):
        status, body = console(server, stageArn=wrong)
        assert (status, body["code"]) == (400, "INVALID"), wrong
    stages.ivs.delete_stage(arn=stage)
    assert console(server, stageArn=stage)[0] == 404


def test_who_publishes_anew_is_not_muted_any_more_and_everybody_is_told(stages, media, pair, ann):
    who, token, _ = ann
    own = media.events(token)
    listeners = [media.events(stages.token(stage)[1]) for stage in pair]

    def said(events):
        states = of_type(events, "STAGE_STATE")
        members = [one for one in states[-1]["participants"] if one["id"] == who] if states else []
        return [(one["audioMuted"], one["videoStopped"]) for one in members]

    kind, _ = ask(own, "PUBLISH_CONFIGURE", {"audioMuted": True, "videoStopped": True})
    assert kind == "PUBLISH_CONFIGURED"
    for events in listeners:
        eventually(lambda events=events: said(events) == [(True, True)], what="it is told")
    media.publish(token)
    for events in listeners:
        eventually(lambda events=events: said(events) == [(False, False)], what="the new connection says nothing")


def test_who_is_muted_is_told_to_everybody_and_to_newcomers(stages, media, pair, ann):
    source, destination = pair
    who, token, _ = ann
    own = media.events(token)
    viewers = []
    for stage in (source, destination):
        _, viewer = stages.token(stage)
        viewers.append(media.events(viewer))
        media.watch(viewer, who).wait_for(7)
        eventually(lambda: of_type(viewers[-1], "STAGE_STREAM_LAYER_SELECTED"), what="what is shown is told")
    muted = {"audioMuted": True, "videoStopped": False}
    assert ask(own, "PUBLISH_CONFIGURE", {"audioMuted": True}) == ("PUBLISH_CONFIGURED", muted)
    for events in viewers:
        told = eventually(lambda events=events: of_type(events, "STAGE_STREAM_MUTE_CHANGED"), what="it is told")
        assert [(one["kind"], one["isMuted"], one["remoteParticipantId"]) for one in told] == [("audio", True, who)]
    for stage in (source, destination):
        _, viewer = stages.token(stage)
        late = media.events(viewer)
        state = eventually(lambda late=late: of_type(late, "STAGE_STATE"), what="the state")[-1]
        (member,) = state["participants"]
        assert (member["audioMuted"], member["videoStopped"]) == (True, False)
        media.watch(viewer, who)
        eventually(lambda late=late: of_type(late, "STAGE_STREAM_MUTE_CHANGED"), what="a newcomer is told")
    ask(own, "PUBLISH_CONFIGURE", {"audioMuted": False, "videoStopped": True})
    for events in viewers:
        last = lambda events=events: of_type(events, "STAGE_STREAM_MUTE_CHANGED")[-2:]  # noqa: E731
        expected = [("audio", False), ("video", True)]
        said = lambda last=last: [(one["kind"], one["isMuted"]) for one in last()]  # noqa: E731
        eventually(lambda said=said, expected=expected: said() == expected, what="the change is told")

    for payload, member in (({"audioMuted": 1}, "audioMuted"), ({"videoStopped": None}, "videoStopped")):
        kind, told = ask(own, "PUBLISH_CONFIGURE", payload)
        assert (kind, told["code"], told["member"]) == ("PUBLISH_CONFIGURE_ERROR", "INVALID", member)
    kind, told = ask(viewers[0], "PUBLISH_CONFIGURE", {"audioMuted": True})
    assert (kind, told["code"]) == ("PUBLISH_CONFIGURE_ERROR", "NO_PUBLICATION")
    for _ in range(400):
        own.send(json.dumps({"type": "PUBLISH_CONFIGURE", "payload": {"audioMuted": False}}))
    errors = lambda: of_type(own, "PUBLISH_CONFIGURE_ERROR")  # noqa: E731
    eventually(lambda: any(error["code"] == "TOO_OFTEN" for error in errors()), what="a flood is refused")
    assert not own.is_closed
