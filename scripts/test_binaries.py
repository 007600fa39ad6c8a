"""Prints the test binaries of one package, one path a line, from cargo's messages on standard input.

`cargo test --workspace --no-run --message-format=json | test_binaries.py restage-store` names the binaries that a run
of the whole workspace has built. Asking cargo for the package alone would choose other features and compile them again.
"""

import json
import sys


def binaries(lines, package):
    """The paths in cargo's messages that are tests of the package."""
    for line in lines:
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message.get("executable"):
            continue
        manifest = message["manifest_path"].replace("\\", "/").split("/")
        if message["profile"]["test"] and manifest[-2] == package:
            yield message["executable"]


def main():
    found = list(binaries(sys.stdin, sys.argv[1]))
    if not found:
        print(f"cargo has built no test of {sys.argv[1]}", file=sys.stderr)
        return 1
    print("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
