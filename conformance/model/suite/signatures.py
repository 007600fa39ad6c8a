"""Each kind of wrong signature, for each operation; none of these requests may reach its members."""

import dataclasses

from . import service, wire
from .case import Case, accepted, refused

CLOCK_OFF_S = 6 * 60
CLOCK_NEARLY_OFF_S = 4 * 60


def cases(operation):
    for name, (code, make) in WRONG.items():
        yield Case(f"{operation.name}/signature/{name}", checked(operation, make, code))
    yield Case(f"{operation.name}/signature/clock-nearly-off", nearly_off(operation))
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
        if method != operation.http["method"]:
            yield from other_method(operation, method)


def checked(operation, make, code):
    def run(world):
        ready = make(world, wire.request(operation, world.minimal(operation)))
        refused(operation, world.send_as_is(operation, ready), code)

    return run


def nearly_off(operation):
    def run(world):
        request = wire.request(operation, world.minimal(operation))
        accepted(operation, world.send(operation, request, clock_off_s=-CLOCK_NEARLY_OFF_S))

    return run


def other_method(operation, method):
    """Another method on the same path, unless that is another operation."""
    if (method, operation.http["requestUri"]) in service.routes():
        return

    def run(world):
        request = wire.request(operation, world.minimal(operation))
        answer = world.send(operation, dataclasses.replace(request, method=method))
        refused(operation, answer, "UnknownOperationException")

    yield Case(f"{operation.name}/method/{method}", run)


def unsigned(_world, request):
    return request


def unsigned_and_invalid(_world, request):
    return dataclasses.replace(request, body=b"{", headers={"Content-Type": "application/json"})


def last_digit(world, request):
    ready = world.wire.signed(request)
    text = ready.headers["Authorization"]
    changed = text[:-1] + ("0" if text[-1] != "0" else "1")
    return dataclasses.replace(ready, headers=ready.headers | {"Authorization": changed})


def wrong_secret(world, request):
    return world.wire.signed(request, keys=(world.wire.keys[0], "x" * 40))


def unknown_key(world, request):
    return world.wire.signed(request, keys=("AKIAUNKNOWNUNKNOWN00", world.wire.keys[1]))


def other_service(world, request):
    return world.wire.signed(request, service_name="s3")


def stale(world, request):
    return world.wire.signed(request, clock_off_s=-CLOCK_OFF_S)


def early(world, request):
    return world.wire.signed(request, clock_off_s=CLOCK_OFF_S)


def other_body(world, request):
    return dataclasses.replace(world.wire.signed(request), body=request.body + b" ")


def other_query(world, request):
    ready = world.wire.signed(request)
    return dataclasses.replace(ready, target=ready.target + ("&x=1" if "?" in ready.target else "?x=1"))


def other_region_in_scope(world, request):
    """The Region is part of the signature, and it selects the resources."""
    ready = world.wire.signed(request)
    moved = ready.headers["Authorization"].replace(f"/{world.wire.region}/", "/us-east-1/")
    return dataclasses.replace(ready, headers=ready.headers | {"Authorization": moved})


def half_a_header(world, request):
    ready = world.wire.signed(request)
    half = ready.headers["Authorization"].split(", Signature=")[0]
    return dataclasses.replace(ready, headers=ready.headers | {"Authorization": half})


def signed_and_then_invalid(world, request):
    return dataclasses.replace(world.wire.signed(request, keys=(world.wire.keys[0], "x" * 40)), body=b"{")


INVALID = "InvalidSignatureException"
WRONG = {
    "unsigned": ("MissingAuthenticationTokenException", unsigned),
    "unsigned-and-invalid": ("MissingAuthenticationTokenException", unsigned_and_invalid),
    "half": ("IncompleteSignatureException", half_a_header),
    "last-digit": (INVALID, last_digit),
    "wrong-secret": (INVALID, wrong_secret),
    "wrong-secret-and-invalid": (INVALID, signed_and_then_invalid),
    "unknown-key": ("UnrecognizedClientException", unknown_key),
    "other-service": (INVALID, other_service),
    "other-region-in-scope": (INVALID, other_region_in_scope),
    "stale": (INVALID, stale),
    "early": (INVALID, early),
    "other-body": (INVALID, other_body),
    "other-query": (INVALID, other_query),
}
