"""Names of the model as Rust writes them."""

import re

KEYWORDS = {"type", "match", "ref", "move", "where"}


def snake(name):
    """`recordingS3BucketName` becomes `recording_s3_bucket_name`."""
    text = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    return f"r#{text}" if text in KEYWORDS else text


def screaming(name):
    """`StageArn` becomes `STAGE_ARN`."""
    return snake(name[0].lower() + name[1:]).upper()


def camel(name):
    """What serde's `camelCase` makes of a field's name."""
    first, *rest = name.removeprefix("r#").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def variant(word):
    """`AUDIO_VIDEO` becomes `AudioVideo`."""
    return "".join(part.capitalize() for part in word.split("_"))
