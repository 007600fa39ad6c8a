"""The service's model, read from the installed botocore when the tests run."""

import functools
import pathlib
import tomllib

import botocore.loaders
import botocore.model

HERE = pathlib.Path(__file__).resolve().parents[1]

# Shapes whose pattern in the model matches no existing ARN: it allows only one letter for the kind of resource.
PATTERNS_CORRECTED = {"ResourceArn": "arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+"}

# Bounds that only the API reference states: bytes of UTF-8 in all keys and values together.
MAP_BYTES_MAX = {"ParticipantTokenAttributes": 1024, "ParticipantAttributes": 1024}

# Rules that only the API reference states, about the picture of an encoder configuration: both lengths are even, and
# their product is at most 2,073,600. So a height without a width, which is 1280 then, has a smaller bound than the
# model's.
EVEN = {"Width", "Height"}
MOST_ALONE = {"Height": 1_620}
# Members that have a smaller bound when all members of the structure are as large as possible.
MOST_TOGETHER = {"Video": {"height": 1_080}}

# Structures of which exactly one of these members is there, as the API reference says and the model does not. In a list
# of them no two have the same.
UNIONS = {"DestinationConfiguration": ("s3", "channel")}

# Structures that have at most one of these members.
AT_MOST_ONE = {"LayoutConfiguration": ("grid", "pip")} | UNIONS

# Text that must name something that exists; what is well formed and names nothing is refused all the same.
REFERENCES = {
    "AutoParticipantRecordingStorageConfigurationArn",
    "ChannelArn",
    "CompositionArn",
    "EncoderConfigurationArn",
    "IngestConfigurationArn",
    "IngestConfigurationStageArn",
    "PaginationToken",
    "ParticipantId",
    "ParticipantTokenId",
    "PublicKeyArn",
    "ResourceArn",
    "StageArn",
    "StageSessionId",
    "StorageConfigurationArn",
}

# Shapes with further rules than their pattern, so that no valid value can be made from the pattern alone.
OPAQUE = {"PublicKeyMaterial"}


@functools.cache
def model():
    """The service, as botocore models it."""
    description = botocore.loaders.create_loader().load_service_model("ivs-realtime", "service-2")
    return botocore.model.ServiceModel(description, "ivs-realtime")


@functools.cache
def served():
    """The operations that restage implements."""
    names = tomllib.loads((HERE / "operations.toml").read_text())["served"]
    return tuple(model().operation_model(name) for name in names)


def not_served():
    """All other operations of the model."""
    there = {operation.name for operation in served()}
    return tuple(model().operation_model(name) for name in model().operation_names if name not in there)


@functools.cache
def routes():
    """(method, path) of every operation of the model."""
    operations = [model().operation_model(name) for name in model().operation_names]
    return {(operation.http["method"], operation.http["requestUri"]) for operation in operations}


def pattern(shape):
    """The regular expression a text must match as a whole, or None."""
    return PATTERNS_CORRECTED.get(shape.name) or shape.metadata.get("pattern")


def bounds(shape):
    """(minimum, maximum) of a number, or of the length of anything else; None where there is no bound."""
    return shape.metadata.get("min"), shape.metadata.get("max")


def location(shape):
    """Where a member travels: body, uri, querystring or header."""
    return shape.serialization.get("location", "body")


def errors(operation):
    """The statuses of an operation's modelled errors, by code."""
    return {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in operation.error_shapes}


def members(operation):
    """Input members by name."""
    return operation.input_shape.members if operation.input_shape else {}


def required(operation):
    """Names of the required members of a request."""
    return operation.input_shape.required_members if operation.input_shape else []
