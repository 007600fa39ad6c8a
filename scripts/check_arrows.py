"""Checks which crate may depend on which, what each may name, and that no modules import each other in a circle.

The tables below are the whole rule: an arrow that is not in them is refused, and one that nobody uses any more is
refused as well, so that they stay true. Tests may depend on more (`DEV_ARROWS`) and may read the clock; the rules about
names are about the code that ships.
"""

import json
import pathlib
import re
import subprocess
import sys

import module_cycles
import rust_source

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Crate → the crates of this workspace that it may depend on.
ARROWS = {
    "restage-api": (),
    "restage-audio": (),
    "restage-bwe": (),
    "restage-codec": (),
    "restage-compose": ("restage-audio", "restage-codec", "restage-picture"),
    "restage-core": (),
    "restage-picture": ("restage-codec",),
    "restage-record": ("restage-codec",),
    "restage-rtmp": ("restage-codec",),
    "restage-storage": ("restage-record",),
    "restage-stun": (),
    "restage-turn": ("restage-stun",),
    "restage-media": ("restage-bwe", "restage-codec", "restage-stun"),
    "restage-store": ("restage-api", "restage-core"),
    "restage-node": (
        *("restage-api", "restage-codec", "restage-compose", "restage-core", "restage-media"),
        *("restage-picture", "restage-record", "restage-rtmp", "restage-storage"),
        *("restage-store", "restage-stun", "restage-turn"),
    ),
    "restage-server": (
        *("restage-api", "restage-audio", "restage-codec", "restage-core", "restage-media"),
        *("restage-node", "restage-rtmp", "restage-storage", "restage-store", "restage-stun"),
    ),
    # It is published by itself and shares no code with the server.
    "restage-client": (),
    "restage": (
        *("restage-api", "restage-client", "restage-codec", "restage-compose", "restage-core"),
        *("restage-node", "restage-picture", "restage-server", "restage-store"),
    ),
    # For developers only: nothing that ships depends on these.
    "restage-audit": ("restage-core",),
    "restage-load": (),
    "restage-sim": (
        *("restage-audit", "restage-codec", "restage-core", "restage-load", "restage-media"),
        *("restage-record", "restage-rtmp"),
    ),
    "restage-testkit": (),
    "restage-bench": ("restage-client", "restage-load", "restage-store", "restage-testkit"),
    "restage-fuzz": (
        *("restage-api", "restage-audio", "restage-audit", "restage-bwe", "restage-codec", "restage-core"),
        *("restage-media", "restage-node", "restage-record", "restage-rtmp", "restage-server"),
        *("restage-stun", "restage-turn"),
    ),
}
# Crate → the crates that its tests, examples and benches may depend on besides.
DEV_ARROWS = {
    "restage": ("restage-testkit",),
    "restage-bwe": ("restage-load",),
    "restage-core": ("restage-audit",),
    "restage-media": ("restage-load",),
    "restage-sim": ("restage-store",),
}

# These know no socket, file, clock, random source or runtime: whatever they need comes in as an argument.
PURE = (
    *("restage-api", "restage-audio", "restage-bwe", "restage-codec", "restage-core"),
    *("restage-media", "restage-record", "restage-rtmp", "restage-stun", "restage-turn"),
)
# Crates whose only use is to reach outside.
OUTSIDE_CRATES = {
    *("axum", "chrono", "fastrand", "getrandom", "hyper", "mio", "nix", "quinn-udp", "rand", "reqwest"),
    *("rusqlite", "socket2", "sqlx", "tokio", "uuid"),
}
# Names through which the standard library, or a crate that is otherwise pure, reaches outside.
OUTSIDE_NAMES = [
    (re.compile(r"\bstd::net::(?:Udp|Tcp)\w+"), "a socket"),
    (re.compile(r"\b(?:Udp|Tcp)(?:Socket|Stream|Listener)\b"), "a socket"),
    (re.compile(r"\b(?:Instant|SystemTime|Utc|Local|UtcDateTime)::now\b|\bnow_(?:utc|local)\b"), "the clock"),
    (re.compile(r"\bstd::(?:fs|env|process|thread)\b"), "the operating system"),
    (
        re.compile(r"\bthread_rng\b|\brand::|\bOsRng\b|\bgetrandom\b|\bSystemRandom\b|\baws_lc_rs::rand\b"),
        "a random source",
    ),
    (re.compile(r"\btokio\b"), "the async runtime"),
]

# Crate from outside → who may depend on it, and why nobody else.
KEEPERS = {
    "axum": (("restage-server", "restage-bench"), "HTTP is served by restage-server"),
    "hyper": (("restage-server",), "HTTP is served by restage-server"),
    "openssl": (("restage-media",), "OpenSSL does the handshake of DTLS and nothing else"),
    "rusqlite": (("restage-store",), "the database is reached through restage-store"),
    "sqlx": (("restage-store", "restage-bench"), "the database is reached through restage-store"),
    "str0m": (
        ("restage-client", "restage-fuzz", "restage-load", "restage-sim"),
        "clients may use a foreign WebRTC stack; what serves others has its own",
    ),
}
# Within a crate: the files that may name a module of a crate from outside.
PLACES = {
    "restage-media": (re.compile(r"\bopenssl::"), "openssl", ("transport/dtls", "transport/identity")),
}

# Crate → groups of top-level modules that are known to import each other in a circle. A group that does so no longer is
# refused: take it out of the list.
EXCUSED_CYCLES: dict[str, list[set[str]]] = {}


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


def source_of(package):
    """The folder of a package's sources."""
    return pathlib.Path(package["manifest_path"]).parent / "src"


def dependencies(package, *kinds):
    """The names a package depends on in these ways: None for what ships, else "dev" or "build"."""
    return {found["name"] for found in package["dependencies"] if found["kind"] in kinds}


def check_arrows(by_name, arrows, dev_arrows):
    """Complaints about what the workspace's crates depend on within the workspace."""
    for crate in sorted(by_name):
        if crate not in arrows:
            yield f"{crate} is not in the table ARROWS of scripts/check_arrows.py; write there what it may depend on"
            continue
        package = by_name[crate]
        allowed, used = set(arrows[crate]), dependencies(package, None, "build") & set(by_name)
        for name in sorted(used - allowed):
            may = ", ".join(sorted(allowed)) or "no crate of this workspace"
            yield f"{crate} depends on {name}; it may depend on {may}"
        for name in sorted(allowed - used):
            yield f"{crate} may depend on {name} and does not; take the arrow out of the table ARROWS"
        dev_allowed = set(dev_arrows.get(crate, ()))
        dev_used = dependencies(package, "dev") & set(by_name) - allowed
        for name in sorted(dev_used - dev_allowed):
            yield f"the tests of {crate} depend on {name}; the table DEV_ARROWS does not allow it"
        for name in sorted(dev_allowed - dev_used):
            yield f"the tests of {crate} may depend on {name} and do not; take the arrow out of the table DEV_ARROWS"
    for crate in sorted(set(arrows) - set(by_name)):
        yield f"{crate} is in the table ARROWS and not in the workspace"


def check_outside(by_name, pure, keepers):
    """Complaints about what crates depend on from outside."""
    for crate in sorted(by_name):
        used = dependencies(by_name[crate], None)
        for name in sorted(used & OUTSIDE_CRATES if crate in pure else ()):
            yield f"{crate} is pure and depends on {name}, which reaches outside; hand its results in as arguments"
        for name, (crates, why) in keepers.items():
            if name in used and crate not in crates:
                yield f"{crate} depends on {name}; only {' and '.join(crates)} may: {why}"


def check_names(by_name, pure, places):
    """Complaints about what sources name."""
    for crate in sorted(by_name):
        source = source_of(by_name[crate])
        rules = []
        if crate in pure:
            rules += [(pattern, what, ()) for pattern, what in OUTSIDE_NAMES]
        if crate in places:
            rules.append(places[crate])
        if not rules:
            continue
        for path in rust_source.files(source):
            inside = str(path.relative_to(source))
            for number, line in rust_source.shipped_lines(path.read_text(encoding="utf-8")):
                for pattern, what, exempt in rules:
                    if pattern.search(line) and not (exempt and inside.startswith(exempt)):
                        where = f"; only {' and '.join(exempt)} may" if exempt else f", and {crate} is pure"
                        yield f"{path}:{number}: names {what}{where}: {line.strip()}"


def check_cycles(by_name, excused):
    """Complaints about modules that import each other in a circle, and about excuses that nobody needs."""
    for crate in sorted(by_name):
        excuses = [frozenset(group) for group in excused.get(crate, ())]
        needed = set()
        for modules, path in module_cycles.cycles(source_of(by_name[crate])):
            excuse = next((group for group in excuses if modules <= group), None)
            if excuse is None:
                yield f"modules of {crate} import each other in a circle: {path}"
            needed.add(excuse)
        for group in excuses:
            if group not in needed:
                yield f"no circle is left among {', '.join(sorted(group))} of {crate}; take it out of EXCUSED_CYCLES"


def main():
    by_name = packages()
    complaints = [
        *check_arrows(by_name, ARROWS, DEV_ARROWS),
        *check_outside(by_name, PURE, KEEPERS),
        *check_names(by_name, PURE, PLACES),
        *check_cycles(by_name, EXCUSED_CYCLES),
    ]
    for complaint in complaints:
        print(complaint.replace(f"{ROOT}/", ""), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
