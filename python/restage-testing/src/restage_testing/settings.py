"""Settings of `restage serve`, as the lines of its configuration file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

# A setting: text, a number, a switch, or a list or table of them.
Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value]"


def toml_value(value: Value) -> str:
    """A value as TOML has it. Strings of JSON are strings of TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml_value(item)}" for name, item in value.items()) + "}"
    return "[" + ", ".join(map(toml_value, value)) + "]"


def toml(settings: Mapping[str, Value]) -> str:
    """The file. Names may be written with underscores, as Python's keywords are."""
    return "".join(f"{name.replace('_', '-')} = {toml_value(value)}\n" for name, value in settings.items())
