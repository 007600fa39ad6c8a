"""Members that must name something: unknown, deleted, of another account, of another region, of another kind."""

import re

from . import service
from .case import Case, accepted, mismatch, not_there, refused, sound
from .spot import spots
from .world import ACCOUNT, OTHER_ACCOUNT, OTHER_REGION, REGION, UNKNOWN_ID, UNKNOWN_PAGE, UNKNOWN_SESSION

# Lists that answer with no rows instead of an error.
EMPTY_FOR_UNKNOWN = {
    ("ListParticipantEvents", "participantId"),
    ("ListParticipantReplicas", "participantId"),
    # Compositions outlive their stages.
    ("ListCompositions", "filterByStageArn"),
    ("ListCompositions", "filterByEncoderConfigurationArn"),
}


def is_arn(shape):
    return shape.name.endswith("Arn")


def kind(shape):
    """The kind of resource an ARN names."""
    found = re.search(r":([a-z-]+)/", service.pattern(shape))
    return found[1] if found else "stage"


def arn(shape, identifier, region=REGION, account=ACCOUNT):
    return f"arn:aws:ivs:{region}:{account}:{kind(shape)}/{identifier}"


def unknown(shape):
    """A valid id or ARN of our account that names nothing."""
    if is_arn(shape):
        return arn(shape, UNKNOWN_ID)
    return {"StageSessionId": UNKNOWN_SESSION, "PaginationToken": UNKNOWN_PAGE}.get(shape.name, UNKNOWN_ID)


def passes(world, spot, value):
    """No constraint is violated: the request succeeds, or is refused like any value that names nothing."""
    values = spot.request(world, value)
    answer = sound(spot.operation, world.call(spot.operation, values))
    if answer.status == spot.operation.http["responseCode"]:
        return
    other = is_arn(spot.shape) and f":{ACCOUNT}:" not in value
    if other and answer.code in ("AccessDeniedException", "ResourceNotFoundException"):
        return
    due = sound(spot.operation, world.call(spot.operation, spot.put(values, unknown(spot.shape))))
    expected = due.message.replace(unknown(spot.shape), value)
    if (answer.code, answer.message) != (due.code, expected):
        raise mismatch(answer, f"it keeps every rule, so as for anything unknown: {due.code} {expected!r}")


def breaks(world, spot, value):
    """The constraint is checked before the named resource is looked up."""
    answer = world.call(spot.operation, spot.request(world, value))
    refused(spot.operation, answer, "ValidationException", naming=spot.member)
    if "does not exist" in answer.message:
        raise mismatch(answer, f"a sentence about the rule that {spot.member} breaks")


def cases(operation):
    for spot in spots(operation):
        if spot.shape.name not in service.REFERENCES:
            continue
        for name, check in kinds(spot):
            yield Case(f"{operation.name}/{spot}/{name}", bound(check, spot))


def bound(check, spot):
    def run(world):
        check(world, spot)

    return run


def kinds(spot):
    yield "unknown", unknown_is_refused
    if is_arn(spot.shape):
        yield "other-account", other_account_is_refused
        yield "other-region", other_region_is_refused
    if spot.shape.name in ("StageArn", "ResourceArn"):
        yield "deleted", deleted_is_refused
    if spot.shape.name in ("StageSessionId", "ParticipantId", "ParticipantTokenId"):
        yield "of-another-stage", another_stage_is_refused


def unknown_is_refused(world, spot):
    value = unknown(spot.shape)
    answer = world.call(spot.operation, spot.request(world, value))
    if (spot.operation.name, spot.member) in EMPTY_FOR_UNKNOWN:
        accepted(spot.operation, answer)
        return
    naming = spot.member if spot.shape.name == "PaginationToken" else value
    refused(spot.operation, answer, not_there(spot.operation), naming=naming)


def other_account_is_refused(world, spot):
    """The ARN contains the account, so an answer may reveal that it is another one."""
    value = arn(spot.shape, UNKNOWN_ID, account=OTHER_ACCOUNT)
    answer = world.call(spot.operation, spot.request(world, value))
    denied = "AccessDeniedException"
    code = denied if denied in service.errors(spot.operation) else not_there(spot.operation)
    refused(spot.operation, answer, code)


def other_region_is_refused(world, spot):
    """The resource exists in our account, but the request is signed for another Region."""
    value = world.elsewhere(spot.shape) or arn(spot.shape, UNKNOWN_ID, region=OTHER_REGION)
    answer = world.call(spot.operation, spot.request(world, value))
    refused(spot.operation, answer, not_there(spot.operation), "ValidationException")


def deleted_is_refused(world, spot):
    answer = world.call(spot.operation, spot.request(world, world.deleted_stage))
    if (spot.operation.name, spot.member) in EMPTY_FOR_UNKNOWN:
        accepted(spot.operation, answer)
        return
    refused(spot.operation, answer, not_there(spot.operation), naming=world.deleted_stage)


def another_stage_is_refused(world, spot):
    """The id exists, but not in the stage that the request names."""
    value = world.past_session if spot.shape.name == "StageSessionId" else world.past_participant
    answer = world.call(spot.operation, spot.request(world, value))
    if (spot.operation.name, spot.member) in EMPTY_FOR_UNKNOWN:
        accepted(spot.operation, answer)
        return
    refused(spot.operation, answer, not_there(spot.operation))
