"""Settings of `restage serve`, as the lines of its configuration file."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from restage_testing.error import ServerError

# A setting: text, a path, a number, a switch, or a list or table of them.
Value: TypeAlias = "str | os.PathLike[str] | int | float | bool | Sequence[Value] | Mapping[str, Value]"

NAME = re.compile(r"[A-Za-z0-9-]+")
# Settings that only this package makes, and what to use instead.
OWNED = {
    "data-dir": "give `directory`",
    "http": "the server finds a free port at 127.0.0.1, which `endpoint_url` says",
}


def toml_string(text: str, name: str) -> str:
    """A basic string of TOML. Unlike JSON it escapes U+007F, and has no surrogates."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ServerError(f"the setting {name!r} has text that is not Unicode: {text!r}")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(value: Value, name: str) -> str:
    """A value of the setting of that name, as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return toml_string(value, name)
    if isinstance(value, Mapping):
        members = (f"{toml_string(str(key), name)} = {toml_value(item, name)}" for key, item in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return "[" + ", ".join(toml_value(item, name) for item in value) + "]"
    raise ServerError(
        f"the setting {name!r} is {value!r}: give text, a path, a number, True or False, or a list or dict of them, "
        "or leave it out"
    )


def toml(settings: Mapping[str, Value]) -> str:
    """The file. Names may be written with underscores, as Python's keywords are."""
    lines = []
    for given, value in settings.items():
        name = str(given).replace("_", "-")
        if not NAME.fullmatch(name):
            raise ServerError(f"{given!r} is not the name of a setting")
        lines.append(f"{name} = {toml_value(value, name)}\n")
    return "".join(lines)


def check_owned(settings: Mapping[str, Value]) -> None:
    """Refuses settings without which this package does not find its server."""
    for name, instead in OWNED.items():
        if name in settings:
            raise ServerError(f"the setting {name!r} is made by restage-testing: {instead}")
