"""Checks which crate may name what: dependencies from `cargo metadata`, names from the sources.

Tests inside the pure crates may read the clock and use dev-dependencies; the rule is about the code that ships.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PURE = ("restage-api", "restage-codec", "restage-core", "restage-media")

# Crates whose only use is to reach outside.
OUTSIDE_CRATES = {
    "tokio",
    "mio",
    "socket2",
    "quinn-udp",
    "axum",
    "hyper",
    "reqwest",
    "sqlx",
    "rand",
    "fastrand",
    "getrandom",
    "chrono",
    "uuid",
}

# Names through which the standard library reaches outside.
OUTSIDE_NAMES = [
    (re.compile(r"\bstd::net::(?:Udp|Tcp)\w+"), "a socket"),
    (re.compile(r"\b(?:Udp|Tcp)(?:Socket|Stream|Listener)\b"), "a socket"),
    (re.compile(r"\b(?:Instant|SystemTime|Utc|Local)::now\b|\bnow_utc\b|\bnow_local\b|\bUtcDateTime::now\b"), "the clock"),
    (re.compile(r"\bstd::(?:fs|env|process|thread)\b"), "the operating system"),
    (re.compile(r"\bthread_rng\b|\brand::|\bOsRng\b|\bgetrandom\b|\bSystemRandom\b|\baws_lc_rs::rand\b"), "a random source"),
    (re.compile(r"\btokio\b"), "the async runtime"),
]

# Test clients and the client library may use a foreign WebRTC stack; what serves others has its own.
FOREIGN_STACK = re.compile(r"\bstr0m\b")
FOREIGN_STACK_FREE = ("restage-api", "restage-core", "restage-media", "restage-server")

OPENSSL = re.compile(r"\bopenssl::")
# Where OpenSSL does the handshake.
OPENSSL_PLACES = ("transport/dtls", "transport/identity")


def packages():
    """The workspace's packages by name, as cargo sees them."""
    text = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return {package["name"]: package for package in json.loads(text)["packages"]}


def shipped_lines(path):
    """(number, text) of the lines outside comments and outside a trailing `#[cfg(test)] mod`."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#[cfg(test)]"):
            return
        code = re.sub(r"(?<!:)//.*", "", line)
        if code.strip():
            yield number, code


def is_test_file(path):
    """Files that hold nothing but tests."""
    return path.stem in {"tests", "test"} or path.stem.endswith(("_tests", "_test")) or "tests" in path.parts


def sources(crate):
    """The crate's own source files that ship."""
    return [path for path in sorted((ROOT / "crates" / crate / "src").rglob("*.rs")) if not is_test_file(path)]


def check_dependencies(by_name):
    """Complaints about what the pure crates depend on."""
    for crate in PURE:
        for dependency in by_name[crate]["dependencies"]:
            if dependency["kind"] is not None:
                continue
            name = dependency["name"]
            if name in OUTSIDE_CRATES:
                yield f"{crate} depends on {name}, which reaches outside; hand its results in as arguments"
            if name.startswith("restage") and (crate, name) != ("restage-media", "restage-codec"):
                yield f"{crate} depends on {name}; of the pure crates only restage-media names another, restage-codec"
            if name == "openssl" and crate != "restage-media":
                yield f"{crate} depends on openssl; only restage-media may, for DTLS"
    for crate in FOREIGN_STACK_FREE:
        for dependency in by_name[crate]["dependencies"]:
            if dependency["kind"] is None and dependency["name"] == "str0m":
                yield f"{crate} depends on str0m; only clients may"


def check_names():
    """Complaints about what the sources name."""
    for crate in PURE:
        for path in sources(crate):
            for number, line in shipped_lines(path):
                for pattern, what in OUTSIDE_NAMES:
                    if pattern.search(line):
                        yield f"{path.relative_to(ROOT)}:{number}: names {what}: {line.strip()}"
    for crate in FOREIGN_STACK_FREE:
        for path in sources(crate):
            for number, line in shipped_lines(path):
                if FOREIGN_STACK.search(line):
                    yield f"{path.relative_to(ROOT)}:{number}: names str0m; only clients may"
    source = ROOT / "crates/restage-media/src"
    for path in sources("restage-media"):
        if str(path.relative_to(source)).startswith(OPENSSL_PLACES):
            continue
        for number, line in shipped_lines(path):
            if OPENSSL.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: names openssl; only {' and '.join(OPENSSL_PLACES)} may"


def main():
    complaints = [*check_dependencies(packages()), *check_names()]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
