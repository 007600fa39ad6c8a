"""Answers as cases: requests that show as many members as possible, then one case for each line of the ledger."""

from support.wait import eventually

from . import answers, service
from .case import Case, Mismatch, accepted

FAULTS_SHOWN = 3


def show(world):
    """Calls every operation once, and those that read a history once for each history."""
    for operation in service.served():
        accepted(operation, world.call(operation, world.minimal(operation)))
        known = service.members(operation)
        if "maxResults" in known:
            accepted(operation, world.call(operation, world.minimal(operation) | {"maxResults": 1}))
        if not operation.name.startswith(("Get", "List")):
            continue
        for sight in world.sights():
            values = {name: value for name, value in sight.items() if name in known}
            if values and values.keys() == set(service.required(operation)):
                accepted(operation, world.call(operation, values))
    wishes = {"duration": 30, "userId": "zoe", "attributes": {"a": "b"}, "capabilities": ["PUBLISH"]}
    stage = world.must("CreateStage", {"participantTokenConfigurations": [wishes], "tags": {"team": "x"}})["stage"]
    world.must("UpdateStage", {"arn": stage["arn"], "name": "shown"})
    world.must("CreateParticipantToken", {"stageArn": stage["arn"], **wishes})
    for listed in ({"stageArn": world.past, "maxResults": 1}, {"stageArn": world.past}):
        world.must("ListStageSessions", listed)
    # One has a grid, the other a picture in a picture.
    for composition in (world.new_composition(), world.new_composition()):
        follow(world, {"arn": composition})
    # A participant that was refused has a history, although it never joined.
    world.must(
        "ListParticipantEvents",
        {"stageArn": world.source, "sessionId": world.session, "participantId": world.refused},
    )
    for arn in (world.source, world.destination):
        world.must("GetStage", {"arn": arn})
        world.must("UpdateStage", {"arn": arn})


def follow(world, composition):
    """Reads a composition when something has arrived at one of its destinations, and when it has ended."""
    read = lambda: world.must("GetComposition", composition)["composition"]  # noqa: E731
    eventually(lambda: any("startTime" in one for one in read()["destinations"]), 30, "something composed")
    world.must("StopComposition", composition)
    eventually(lambda: "endTime" in read(), 60, "its end")


def cases(operation):
    for place in answers.places(operation):
        yield Case(f"{operation.name}/answer/{place}", line(operation, place))


def line(operation, place):
    def run(world):
        seen = world.ledger.line(operation, place)
        if seen.faults:
            shown = "\n".join(list(dict.fromkeys(seen.faults))[:FAULTS_SHOWN])
            raise Mismatch(f"{place} was seen {seen.seen} times, and wrong:\n{shown}")
        if seen.seen == 0:
            raise Mismatch(f"{place} was in no answer")

    return run
