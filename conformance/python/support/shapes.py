"""Compares every answer with the service's model in botocore.

botocore's parser drops what the model does not know and does not miss what is absent, so the raw body is read here.
"""

import json
import re

ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")

# Members that the service leaves empty where there is nothing to name, although the model's pattern requires text.
MAY_BE_EMPTY = {"sourceStageArn", "sourceSessionId", "storageConfigurationArn", "activeSessionId"}

# Members whose pattern in the model the service's own samples break: a prefix has slashes.
BEYOND_PATTERN = {"recordingS3Prefix"}

# Both members have the message: the model defines the first, SDKs print the second.
ERROR_MEMBERS = {"exceptionMessage", "message"}


def check(shape, value, where):
    """Fails unless `value` has exactly what the model allows."""
    CHECKS[shape.type_name](shape, value, where)


def check_structure(shape, value, where):
    assert isinstance(value, dict), f"{where}: not an object: {value!r}"
    in_body = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    unknown = value.keys() - in_body.keys()
    assert not unknown, f"{where}: members the model does not know: {sorted(unknown)}"
    missing = (set(shape.required_members) & in_body.keys()) - value.keys()
    assert not missing, f"{where}: required members are absent: {sorted(missing)}"
    for name, member in value.items():
        if member == "" and name in MAY_BE_EMPTY:
            continue
        assert member is not None, f"{where}.{name}: null, where absent is meant"
        if name in BEYOND_PATTERN:
            assert isinstance(member, str)
            check_range(in_body[name], len(member), f"{where}.{name}")
            continue
        check(in_body[name], member, f"{where}.{name}")


def check_list(shape, value, where):
    assert isinstance(value, list), f"{where}: not a list: {value!r}"
    check_range(shape, len(value), where)
    for index, item in enumerate(value):
        check(shape.member, item, f"{where}[{index}]")


def check_map(shape, value, where):
    assert isinstance(value, dict), f"{where}: not a map: {value!r}"
    check_range(shape, len(value), where)
    for key, item in value.items():
        check(shape.value, item, f"{where}.{key}")


def check_string(shape, value, where):
    assert isinstance(value, str), f"{where}: not a string: {value!r}"
    check_range(shape, len(value), where)
    enum = shape.metadata.get("enum")
    assert not enum or value in enum, f"{where}: {value!r} is none of {enum}"
    pattern = shape.metadata.get("pattern")
    assert not pattern or re.fullmatch(pattern, value), f"{where}: {value!r} does not match {pattern}"


def check_integer(shape, value, where):
    assert isinstance(value, int) and not isinstance(value, bool), f"{where}: not an integer: {value!r}"
    check_range(shape, value, where)


def check_float(shape, value, where):
    assert isinstance(value, int | float) and not isinstance(value, bool), f"{where}: not a number: {value!r}"
    check_range(shape, value, where)


def check_boolean(_shape, value, where):
    assert isinstance(value, bool), f"{where}: not a boolean: {value!r}"


def check_timestamp(_shape, value, where):
    assert isinstance(value, str) and ISO_8601.fullmatch(value), f"{where}: not an ISO 8601 string: {value!r}"


def check_range(shape, size, where):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    assert low is None or size >= low, f"{where}: {size} is below {low}"
    assert high is None or size <= high, f"{where}: {size} is above {high}"


CHECKS = {
    "structure": check_structure,
    "list": check_list,
    "map": check_map,
    "string": check_string,
    "integer": check_integer,
    "float": check_float,
    "boolean": check_boolean,
    "timestamp": check_timestamp,
}


def check_error(operation, status, headers, body):
    """Checks an error: its code in the header, its message twice in the body, and the status of its code."""
    code = headers.get("x-amzn-errortype")
    assert code, f"{operation.name}: an error without x-amzn-ErrorType"
    assert set(body) == ERROR_MEMBERS, f"{operation.name}: an error body has exactly {ERROR_MEMBERS}, not {set(body)}"
    assert body["message"] == body["exceptionMessage"] != ""
    for shape in operation.error_shapes:
        if shape.name == code:
            assert status == shape.metadata["error"]["httpStatusCode"], f"{code} came with {status}"


def check_answer(operation, status, headers, raw):
    """Checks any answer to `operation`."""
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers.get("x-amzn-requestid"), f"{operation.name}: an answer without x-amzn-RequestId"
    if status != 200:
        check_error(operation, status, headers, json.loads(raw))
        return
    body = json.loads(raw) if raw else {}
    if operation.output_shape is None:
        assert body == {}, f"{operation.name}: {body!r} where the model has no output"
        return
    check(operation.output_shape, body, operation.name)
    for name, member in operation.output_shape.members.items():
        if member.serialization.get("location") == "header":
            assert headers.get(member.serialization["name"].lower()), f"{operation.name}: header for {name} is absent"


def attach(client):
    """Makes `client` compare every answer with the model."""
    model = client.meta.service_model

    def on_response(event_name, response_dict, **_):
        if response_dict is None:
            return  # no answer at all: the client raises on its own
        operation = model.operation_model(event_name.rsplit(".", 1)[1])
        check_answer(operation, response_dict["status_code"], response_dict["headers"], response_dict["body"])

    client.meta.events.register("response-received.ivs-realtime", on_response)
    return client
