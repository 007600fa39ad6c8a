"""Events reach a webhook and a file: all of them, in order per stage, through kills of either side and refusals."""

import contextlib
import json
import subprocess
import threading

import pytest

from support import api
from support.api import Stages
from support.receiver import Receiver
from support.server import Server, binary, clean_environment
from support.wait import eventually

SECRET = "a secret only these tests know"
KILLS = 4
DESTINATIONS = 3

# Names of events in the history, and in events to sinks.
NAMES = {
    "PUBLISH_STARTED": "Participant Published",
    "PUBLISH_STOPPED": "Participant Unpublished",
    "REPLICATION_STARTED": "Participant Replication Start",
    "REPLICATION_STOPPED": "Participant Replication End",
}


def arguments(receiver, file, *more):
    return (
        *("--webhook-url", receiver.url, "--webhook-secret", SECRET, "--events-file", str(file)),
        *more,
    )


def published(stages, arn, participant):
    return eventually(lambda: stages.participants(arn).get(participant, {}).get("published"), what="published")


def history(stages, arn, participant):
    """(name, destination) of all a participant did on a stage, over its sessions, oldest first."""
    found = []
    for session in reversed(stages.ivs.list_stage_sessions(stageArn=arn)["stageSessions"]):
        for event in stages.events(arn, participant, session["sessionId"]):
            if event["name"] in NAMES:
                found.append((NAMES[event["name"]], event.get("destinationStageArn")))
    return found


def told(events, arn, participant):
    """The same, as sent to sinks."""
    return [
        (event["detail"]["event_name"], event["detail"].get("destination_stage_arn"))
        for event in events
        if event["resources"] == [arn] and event["detail"]["participant_id"] == participant
    ]


def one_life(server, stages, media, known):
    """A publisher is replicated into several stages. The next process reports what was acknowledged before the kill."""
    source = stages.create()
    destinations = [stages.create() for _ in range(DESTINATIONS)]
    participant, token = stages.token(source, userId="ann")
    media.publish(token)
    published(stages, source, participant)
    known.extend((arn, participant) for arn in [source, *destinations])
    for destination in destinations:
        stages.replicate(source, destination, participant)
    stages.stop(source, destinations[0], participant)
    stages.replicate(source, destinations[0], participant)
    server.kill()
    with contextlib.suppress(Exception):
        media.close_peers()


@pytest.mark.timeout(300)
def test_no_event_is_lost_over_kills_and_refusals(tmp_path, media_loop):
    # Every third event is refused when it comes first.
    receiver = Receiver(SECRET, lambda event, seen: 503 if seen == 0 and int(event["id"][:2], 16) % 3 == 0 else 200)
    file = tmp_path / "events.jsonl"
    server = Server(tmp_path / "data", *arguments(receiver, file), name="test_outbox")
    known = []
    for _ in range(KILLS):
        server.start()
        one_life(server, Stages(api.client(server)), media_loop, known)
    server.start()
    stages = Stages(api.client(server))
    expected = {key: history(stages, *key) for key in known}
    assert all(len(events) >= 2 for events in expected.values())

    def all_came():
        events = receiver.events()
        return all(told(events, *key) == wanted for key, wanted in expected.items())

    try:
        eventually(all_came, 60, "every event, in the order of its stage")
    finally:
        assert not receiver.faults, receiver.faults
    lines = {}

    def all_written():
        for line in file.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                event = json.loads(line)
                lines.setdefault(event["id"], event)
        return all(told(lines.values(), *key) == wanted for key, wanted in expected.items())

    eventually(all_written, 30, "every event in the file")
    replica = next(event for event in lines.values() if event["detail"].get("replica"))
    assert replica["source"] == "aws.ivs"
    assert replica["detail-type"] == "IVS Stage Update"
    assert replica["detail"]["source_stage_arn"] in {arn for arn, _ in known}
    assert replica["detail"]["user_id"] == "ann"
    assert replica["detail"]["event_time"] == replica["time"]
    assert replica["detail"]["event_time_precise"].startswith(replica["time"][:-1])
    server.stop()
    for line in server.log:
        assert SECRET not in line
    receiver.close()


def test_what_is_refused_for_good_can_be_replayed(tmp_path, media_loop):
    verdict = {"status": 400}
    receiver = Receiver(SECRET, lambda event, seen: verdict["status"])
    file = tmp_path / "events.jsonl"
    server = Server(
        tmp_path / "data",
        *arguments(receiver, file, "--webhook-attempts", "2", "--events-extra"),
        name="test_outbox_dead",
    ).start()
    stages = Stages(api.client(server))
    arn = stages.create()
    participant, token = stages.token(arn)
    media_loop.publish(token)
    published(stages, arn, participant)

    def restage(*words):
        command = [str(binary()), "events", *words, "--data-dir", str(server.data_dir)]
        done = subprocess.run(
            [*command, *server.database],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def dead():
        letters = restage("dead-letters", "--output", "json")
        return letters if len(letters) == 3 else None

    letters = eventually(dead, 60, "session started, joined, published: all refused")
    assert [letter["event"]["detail"]["event_name"] for letter in letters] == [
        "Session Started",
        "Participant Joined",
        "Participant Published",
    ]
    assert all(letter["attempts"] == 2 and "400" in letter["reason"] for letter in letters)
    assert {letter["event"]["source"] for letter in letters} == {"restage", "aws.ivs"}
    assert not receiver.taken
    verdict["status"] = 200
    restage("replay", "--all")
    eventually(lambda: len(receiver.events()) == 3, 30, "all three came")
    assert [event["id"] for event in receiver.events()] == [letter["event"]["id"] for letter in letters]
    assert restage("dead-letters", "--output", "json") == []

    tailed = subprocess.run(
        [str(binary()), "events", "tail", "--file", str(file), "--no-follow", "--output", "json"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = [json.loads(line)["detail"]["event_name"] for line in tailed.stdout.splitlines()]
    assert names == ["Session Started", "Participant Joined", "Participant Published"]
    media_loop.close_peers()
    server.stop()
    receiver.close()


def test_a_slow_stage_delays_nobody(tmp_path, media_loop):
    """The receiver has no answer for one stage's events until all of another's have come, one after the other."""
    others = threading.Event()
    slow = {}

    def delay(event):
        if event["resources"] == [slow.get("arn")]:
            others.wait(60)

    receiver = Receiver(SECRET, delay=delay)
    file = tmp_path / "events.jsonl"
    server = Server(tmp_path / "data", *arguments(receiver, file), name="test_outbox_slow").start()
    stages = Stages(api.client(server))
    source, slow["arn"], destination = stages.create(), stages.create(), stages.create()
    participant, token = stages.token(source)
    media_loop.publish(token)
    published(stages, source, participant)
    stages.replicate(source, slow["arn"], participant)
    eventually(lambda: receiver.waits(slow["arn"]), what="the slow stage's first event is on its way")
    for _ in range(5):
        stages.replicate(source, destination, participant)
        stages.stop(source, destination, participant)
    expected = history(stages, destination, participant)
    assert len(expected) == 10
    # The receiver gives up on the first event after ten seconds, and is slow again: other stages must not be delayed.
    eventually(lambda: told(receiver.events(), destination, participant) == expected, 8, "the other stage's events")
    assert not told(receiver.events(), slow["arn"], participant)
    others.set()
    eventually(lambda: told(receiver.events(), slow["arn"], participant), 40, "the slow stage's event in the end")
    assert not receiver.faults, receiver.faults
    media_loop.close_peers()
    server.stop()
    receiver.close()
