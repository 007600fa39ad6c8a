"""Page tokens of every list: they continue where the page ended, and are refused elsewhere."""

from . import service
from .case import Case, Mismatch, accepted, refused

# More pages than any list of a run has.
PAGES_MAX = 2_000


def is_list(operation):
    return "nextToken" in service.members(operation) and "nextToken" in operation.output_shape.members


def cases(operation):
    if is_list(operation):
        yield Case(f"{operation.name}/pages/whole", lambda world: whole(world, operation))
        yield Case(f"{operation.name}/pages/tampered", lambda world: tampered(world, operation))
        yield Case(f"{operation.name}/pages/other-region", lambda world: other_region(world, operation))
        yield Case(f"{operation.name}/pages/other-operation", lambda world: other_operation(world, operation))


def values(world, operation):
    """A request whose list has at least two rows."""
    made = world.minimal(operation)
    if operation.name == "ListStageSessions":
        made["stageArn"] = world.past
    if operation.name == "ListParticipants":
        made |= {"stageArn": world.destination, "sessionId": world.destination_session}
    if operation.name == "ListPublicKeys":
        world.kept_public_key()
        world.disposable_public_key()
    if operation.name == "ListEncoderConfigurations":
        world.kept_encoder_configuration()
        world.new_encoder_configuration()
    if operation.name == "ListStorageConfigurations":
        world.kept_storage_configuration()
        world.new_storage_configuration()
    return made


def first_token(world, operation):
    answer = accepted(operation, world.call(operation, values(world, operation) | {"maxResults": 1}))
    token = answer.json().get("nextToken")
    if not token:
        raise Mismatch(f"{operation.name} with maxResults 1 gave no nextToken: {answer}")
    return token


def rows(operation, body):
    """The ids of a page's rows: only ARNs where rows have them, because other members may change meanwhile."""
    name = next(name for name, shape in operation.output_shape.members.items() if shape.type_name == "list")
    return [row.get("arn") or row for row in body[name]]


def walk(world, operation, asked):
    """All rows, read page by page."""
    found, token = [], None
    for _ in range(PAGES_MAX):
        more = {"nextToken": token} if token else {}
        body = accepted(operation, world.call(operation, asked | more)).json()
        found += rows(operation, body)
        token = body.get("nextToken")
        if not token:
            return found
    raise Mismatch(f"{operation.name} goes on after {PAGES_MAX} pages: {asked}")


def whole(world, operation):
    """Pages of two give the same rows as large pages."""
    asked = values(world, operation)
    at_once = walk(world, operation, asked)
    two_by_two = walk(world, operation, asked | {"maxResults": 2})
    if two_by_two != at_once:
        raise Mismatch(f"{operation.name}: two by two {two_by_two}\nat once {at_once}")


def tampered(world, operation):
    token = first_token(world, operation)
    for index in (0, len(token) // 2, len(token) - 2):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        answer = world.call(operation, values(world, operation) | {"nextToken": changed})
        refused(operation, answer, "ValidationException", naming="nextToken")


def other_region(world, operation):
    """A resource belongs to a Region, and so do lists. A refusal because of the stage is accepted too."""
    token = first_token(world, operation)
    answer = world.call(operation, values(world, operation) | {"nextToken": token}, region="us-east-1")
    refused(operation, answer, "ValidationException")


def other_operation(world, operation):
    for other in service.served():
        if is_list(other) and other.name != operation.name:
            token = first_token(world, other)
            answer = world.call(operation, values(world, operation) | {"nextToken": token})
            refused(operation, answer, "ValidationException", naming="nextToken")
