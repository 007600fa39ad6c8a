"""Compares the licence expression of every crate in Cargo.lock with the list in deny.toml.

It stands in for cargo-deny, which does the same and more, where that is not installed.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def accepted(expression, allowed):
    """Whether an SPDX expression can be satisfied from `allowed` alone. The old `/` means OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def disjunction():
        nonlocal position
        result = conjunction()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            result = conjunction() or result
        return result

    def conjunction():
        nonlocal position
        result = term()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            result = term() and result
        return result

    def term():
        nonlocal position
        if tokens[position] == "(":
            position += 1
            result = disjunction()
            position += 1
            return result
        name = tokens[position]
        position += 1
        if position + 1 < len(tokens) and tokens[position] == "WITH":
            name = f"{name} WITH {tokens[position + 1]}"
            position += 2
        return name in allowed

    return disjunction()


def main():
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    text = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    refused = 0
    for package in json.loads(text)["packages"]:
        if package["source"] is None:
            continue
        expression = package["license"]
        if expression is None or not accepted(expression, allowed):
            refused += 1
            print(f"{package['name']} {package['version']}: licence {expression} is not in deny.toml", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
