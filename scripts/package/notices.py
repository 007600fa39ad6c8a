"""Prints the licences of the crates that are linked into `restage`, for those who pass the binary on.

Each text is printed once, with the crates whose sources contain it. cargo-about does the same and more, but it takes
minutes to compile, and what `cargo metadata` says is enough for this.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As files of licences are called, also those of C sources inside a crate.
FILE_NAME = re.compile(r"(?i)^(licen[cs]e|copying|notice|copyright|unlicense)([-._].*)?$")
NOT_TEXT = {".rs", ".toml", ".py", ".c", ".h", ".html", ".json", ".yml", ".spdx"}
# Sources of C libraries lie a few folders deep in a crate.
DEPTH_MAX = 6
TEXT_BYTES_MAX = 200_000
RULE = "=" * 100


def metadata():
    host = re.search(r"(?m)^host: (.*)$", run("rustc", "-vV"))[1]
    return json.loads(run("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host))


def run(*command):
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def linked(graph):
    """The packages that the binary is made of, without those of tests and build scripts."""
    packages = {package["id"]: package for package in graph["packages"]}
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    (start,) = [id for id in graph["workspace_members"] if packages[id]["name"] == "restage"]
    seen, queue = set(), [start]
    while queue:
        id = queue.pop()
        if id in seen:
            continue
        seen.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                queue.append(dependency["pkg"])
    others = [packages[id] for id in seen if packages[id]["source"]]
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The texts of the licence files in a package's sources."""
    root = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(root.rglob("*")):
        is_licence = FILE_NAME.match(path.name) and path.suffix.lower() not in NOT_TEXT
        if not is_licence or len(path.relative_to(root).parts) > DEPTH_MAX:
            continue
        if path.is_file() and path.stat().st_size <= TEXT_BYTES_MAX:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def main():
    packages = linked(metadata())
    owners = collections.defaultdict(list)
    out = [f"restage contains {len(packages)} libraries of others. Their licences:", ""]
    for package in packages:
        out.append(f"{package['name']} {package['version']}: {package['license'] or 'see below'}")
        for text in dict.fromkeys(texts(package)):
            if text:
                owners[text].append(f"{package['name']} {package['version']}")
    for text, names in sorted(owners.items(), key=lambda item: item[1]):
        out += ["", RULE, ", ".join(names), RULE, "", text]
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
