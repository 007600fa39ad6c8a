"""Import cycles between the top-level modules of a crate, in the code that ships.

A module uses another when a path in it (`crate::other::Thing`, or `super::` as often as it takes) leads there. What the
root re-exports is counted as a use of the module it comes from. Items that the root defines itself belong to a module
called `(root)`, which uses what the root's own code names.
"""

import itertools
import re

import rust_source

ROOT = "(root)"
DECLARED = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(?:r#)?(\w+)\s*[;{]")
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.S)


def root_files(source):
    """The files that are a crate's root, one for each of its targets."""
    return [source / name for name in ("lib.rs", "main.rs") if (source / name).is_file()]


def declared(root):
    """The top-level modules that the root file declares."""
    return {
        match[1]
        for _, code in rust_source.shipped_lines(root.read_text(encoding="utf-8"))
        if (match := DECLARED.match(code))
    }


def reexports(text, modules):
    """Where the names come from that the root takes from its modules: name → module."""
    code = "\n".join(line for _, line in rust_source.shipped_lines(text))
    names = {}
    for match in USE.finditer(code):
        for path in rust_source.flatten(re.sub(r"\s+", " ", match[2])):
            parts = path.replace(" ", "").removeprefix("crate::").removeprefix("self::").split("::")
            if parts[0] in modules and len(parts) > 1:
                names[parts[-1] if parts[-1] != "self" else parts[-2]] = parts[0]
    return names


def resolve(path, depth, modules, names):
    """The top-level module that a path leads to, or None if it stays inside or leads nowhere we know."""
    parts = path.split("::")
    if parts[0] == "crate":
        parts = parts[1:]
    else:
        ups = 0
        while parts and parts[0] == "super":
            parts.pop(0)
            ups += 1
        if ups < depth:
            return None
    if not parts or parts[0] in {"", "self", "*"}:
        return None
    if parts[0] in modules:
        return parts[0]
    return names.get(parts[0], ROOT)


def edges(source, root):
    """The uses between the top-level modules of a target: (module, module) → the first place, as `file:line`."""
    found = {}
    modules = declared(root)
    text = root.read_text(encoding="utf-8")
    names = reexports(text, modules)
    roots = root_files(source)
    for path in rust_source.files(source):
        if path in roots and path != root:
            continue
        relative = path.relative_to(source)
        module = ROOT if path == root else relative.parts[0].removesuffix(".rs")
        if module != ROOT and module not in modules:
            continue
        depth = 0 if path == root else len(relative.parts) - (path.stem == "mod")
        for number, name, inner in rust_source.paths(path.read_text(encoding="utf-8")):
            used = resolve(name, depth + inner, modules, names)
            if used is not None and used != module:
                found.setdefault((module, used), f"{path}:{number}")
    for number, code in rust_source.shipped_lines(text):
        if DECLARED.match(code) or re.match(r"\s*(?:pub(?:\([^)]*\))?\s+)?use\b", code):
            continue
        for name in re.findall(r"(?<![\w:])(\w+)::", code):
            if name in modules:
                found.setdefault((ROOT, name), f"{root}:{number}")
        for name in re.findall(r"(?<![\w:.])(\w+)\b(?!::)", code):
            if name in names:
                found.setdefault((ROOT, names[name]), f"{root}:{number}")
    return found


def components(graph):
    """The strongly connected parts of a graph that have more than one node, each as a sorted list."""
    order, index, low, stack, parts = [], {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                parts.append(sorted(part))
        order.append(node)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return parts


def shortest_cycle(graph, part):
    """The nodes of one shortest cycle within a strongly connected part, the first one again at the end."""
    best = None
    for start in part:
        before, queue = {start: None}, [start]
        for node in queue:
            for other in sorted(graph.get(node, ())):
                if other == start:
                    path = [start]
                    while node is not None:
                        path.append(node)
                        node = before[node]
                    path.reverse()
                    if best is None or len(path) < len(best):
                        best = path
                    break
                if other in part and other not in before:
                    before[other] = node
                    queue.append(other)
            else:
                continue
            break
    return best


def cycles(source):
    """Each group of modules that use each other: the modules, and a shortest circle as text with its places."""
    for root in root_files(source):
        uses = edges(source, root)
        graph = {}
        for module, used in uses:
            graph.setdefault(module, set()).add(used)
        for part in components(graph):
            path = shortest_cycle(graph, part)
            steps = [f"{a} uses {b} ({uses[a, b]})" for a, b in itertools.pairwise(path)]
            yield frozenset(part), ", ".join(steps)
