"""The version of a release: the one of the workspace in Cargo.toml, which every package carries.

`versions.py` prints it, `versions.py --check` compares every other place with it, and `versions.py --set 0.2.0` writes
it everywhere. Cargo.lock and js/package-lock.json follow with the next `cargo metadata` and `npm install`.
"""

import argparse
import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?")

# The line of a version in each kind of file, so that a file is changed without being written anew.
WORKSPACE_LINE = re.compile(r'(?m)^(version = )"([^"]+)"')
CRATE_LINE = re.compile(r'(?m)^(restage-[\w-]+ = \{ path = "[^"]+", version = )"([^"]+)"')
PYTHON_LINE = re.compile(r'(?m)^(version = )"([^"]+)"')
NODE_LINE = re.compile(r'(?m)^(  "version": )"([^"]+)"')
# What one of our packages for npm says of another.
NODE_OWN_LINE = re.compile(r'(?m)^(    "@restage/[\w-]+": )"(\d[^"]*)"')


def places():
    """(file, pattern of its lines) of every version."""
    found = [(ROOT / "Cargo.toml", WORKSPACE_LINE), (ROOT / "Cargo.toml", CRATE_LINE)]
    found += [(path, PYTHON_LINE) for path in sorted(ROOT.glob("python/*/pyproject.toml"))]
    for path in sorted(ROOT.glob("js/*/package.json")):
        # A package without a version is never published.
        if "version" in json.loads(path.read_text(encoding="utf-8")):
            found += [(path, NODE_LINE), (path, NODE_OWN_LINE)]
    return found


def current():
    """The workspace's version."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]


def locked():
    """(name, version) of the workspace's own packages in Cargo.lock, which have no source."""
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    return [(package["name"], package["version"]) for package in packages if "source" not in package]


def faults(version):
    """A line for each place that says another version."""
    for path, pattern in places():
        for match in pattern.finditer(path.read_text(encoding="utf-8")):
            if match[2] != version:
                yield f"{path.relative_to(ROOT)}: {match[0].strip()} should be {version}"
    for name, found in locked():
        if found != version:
            yield f"Cargo.lock: {name} {found} should be {version}: run `cargo metadata --format-version 1`"


def write(version):
    for path, pattern in places():
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(rf'\g<1>"{version}"', text), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a place says another version")
    parser.add_argument("--set", metavar="VERSION", help="write this version everywhere")
    given = parser.parse_args()
    if given.set:
        if not VERSION.fullmatch(given.set):
            sys.exit(f"{given.set} is no version such as 0.2.0")
        write(given.set)
        print(f"{given.set}: the lockfiles follow by `cargo metadata --format-version 1` and `npm install` in js")
    elif given.check:
        found = list(faults(current()))
        if found:
            sys.exit("\n".join(found))
    else:
        print(current())


if __name__ == "__main__":
    main()
