"""Curves over a long run: what a process uses, whether it stays flat, and a picture of it."""

import html
import os
import pathlib
import sqlite3
import statistics
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

WIDTH, HEIGHT, GAP, LEFT = 620, 70, 34, 8


def of_process(pid):
    """Memory in MB, descriptors and threads of a process. What is not anonymous is the program's file."""
    status = dict(
        line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return {
        "memory MB": int(status["VmRSS"].split()[0]) / 1024,
        "anonymous MB": int(status["RssAnon"].split()[0]) / 1024,
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
    }


def of_metrics(url, names):
    """These metrics, each summed over its labels."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        sums = dict.fromkeys(names, 0)
        for sample in (sample for family in families for sample in family.samples):
            if sample.name in sums:
                sums[sample.name] += sample.value
    return sums


def of_tables(database):
    """The rows of each table."""
    rows = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20)
    try:
        tables = [name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [name for name in tables if not name.startswith(("_", "sqlite_"))]
        return {name: rows.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    finally:
        rows.close()


def tenths(points):
    """The medians of the ten parts of a curve of (time, value)."""
    begin, end = points[0][0], points[-1][0]
    parts = [[] for _ in range(10)]
    for at, value in points:
        parts[min(9, int(10 * (at - begin) / max(end - begin, 1e-9)))].append(value)
    return [statistics.median(part) if part else None for part in parts]


def quantile(values, share):
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def is_flat(curve, by_share, by_most):
    """Whether the last tenth is not above the second one by more than a share of it, or by so much."""
    parts = [part for part in tenths(curve) if part is not None]
    early = parts[1] if len(parts) > 1 else parts[0]
    return parts[-1] - early <= max(early * by_share, by_most)


def draw(curves, title):
    """An SVG with one strip for each curve, {name: [(time, value)]}."""
    height = 40 + len(curves) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * LEFT} {height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14" fill="#1c2733">{html.escape(title)}</text>',
    ]
    for number, (name, points) in enumerate(curves.items()):
        top = 40 + number * (HEIGHT + GAP) + 16
        begin, end = points[0][0], points[-1][0]
        most = max(value for _, value in points) or 1
        places = " ".join(
            f"{LEFT + WIDTH * (at - begin) / max(end - begin, 1e-9):.1f},{top + HEIGHT - HEIGHT * value / most:.1f}"
            for at, value in points
        )
        parts += [
            f'<text x="{LEFT}" y="{top - 5}" fill="#1c2733">{html.escape(name)}, at most {most:g}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="#f2f5f8"/>',
            f'<polyline points="{places}" fill="none" stroke="#2f6f9f" stroke-width="1.5"/>',
        ]
    return "\n".join([*parts, "</svg>", ""])
