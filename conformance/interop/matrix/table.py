"""The table: printed at the end of a run, and stored in docs/compatibility.md between two markers."""

import json
import os
import pathlib

from .clients import rows

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "compatibility.md"
BEGIN = "<!-- interop: begin; written by conformance/interop -->"
END = "<!-- interop: end -->"

COLUMNS = ("publish", "watch", "watch a replica")
WORKS = "yes"
NONE = "\N{EN DASH}"
HEADS = ("client", "version", "codec", *COLUMNS, "")


def lines(results, versions):
    """The table's rows for the clients that were tested: `results` has the outcome of (key, column)."""
    for client in rows():
        tried = [results.get((client.key, column)) for column in COLUMNS]
        if None in tried:
            continue
        remark = "; ".join(part for part in (client.note, client.only_publishes) if part)
        codec = {"H264": "H.264"}.get(client.codec, client.codec)
        yield [client.name, versions.get(client.key, ""), codec, *tried, remark]


def markdown(table):
    """The table as it stands on the page."""
    head = [f"| {' | '.join(HEADS).strip()} |", f"|{'---|' * len(HEADS)}"]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in table)]) + "\n"


def plain(table):
    """The table for a terminal, without the remarks."""
    shown = [list(HEADS[:-1]), *(line[:-1] for line in table)]
    widths = [max(len(line[index]) for line in shown) for index in range(len(shown[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in shown)


def on_page():
    """The table on the page: (client, codec) → its cells. Versions are not compared."""
    text = PAGE.read_text(encoding="utf-8")
    kept = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    found = {}
    for line in kept:
        client, _, codec, *cells, remark = (cell.strip() for cell in line.strip().strip("|").split("|"))
        found[client, codec] = [*cells, remark]
    return found


def write(table):
    """Writes the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{PAGE} has no {BEGIN} and {END}"
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(table)}{END}{after}", encoding="utf-8")


def save(path, results, versions):
    """Saves all results as JSON."""
    seen = {f"{key}: {column}": outcome for (key, column), outcome in results.items()}
    os.makedirs(path.parent, exist_ok=True)
    path.write_text(json.dumps({"results": seen, "versions": versions}, indent=2, ensure_ascii=False) + "\n")
