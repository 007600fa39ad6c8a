"""Prints the test binaries of packages, as `folder path` a line, from cargo's messages on standard input.

`cargo test --workspace --no-run --message-format=json | test_binaries.py restage-store restage-node:jobs` names those
of the first package and the test `jobs` of the second, as a run of the whole workspace has built them. Asking cargo for
the packages alone would choose other features and compile them again.
"""

import json
import pathlib
import sys


def binaries(lines, wanted):
    """(folder, path) of the tests in cargo's messages. `wanted` is a package, or one of its tests: `package:test`."""
    package, _, target = wanted.partition(":")
    for line in lines:
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message.get("executable"):
            continue
        folder = pathlib.PurePath(message["manifest_path"]).parent
        is_wanted = folder.name == package and target in ("", message["target"]["name"])
        if message["profile"]["test"] and is_wanted:
            yield str(folder), message["executable"]


def main():
    lines = sys.stdin.readlines()
    for wanted in sys.argv[1:]:
        found = list(binaries(lines, wanted))
        if not found:
            print(f"cargo has built no test of {wanted}", file=sys.stderr)
            return 1
        for folder, path in found:
            print(folder, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
