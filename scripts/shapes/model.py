"""The service's model, read from the installed botocore, and the choices that come on top of it."""

import pathlib
import tomllib

import botocore.loaders

CHOICES = pathlib.Path(__file__).parent / "choices.toml"


class Unknown(Exception):
    """A choice or a member that the generator cannot place."""


def load():
    """Model and choices, as dictionaries. No prose of the model is read."""
    model = botocore.loaders.create_loader().load_service_model("ivs-realtime", "service-2")
    return model, tomllib.loads(CHOICES.read_text(encoding="utf-8"))


class Model:
    """Shapes and operations with everything that is derived from them."""

    def __init__(self, model, choices):
        self.shapes = model["shapes"]
        self.operations = model["operations"]
        self.choices = choices
        self.check_choices()
        self.inputs = self.reached("input")
        self.outputs = self.reached("output")

    def check_choices(self):
        """Names that the model does not have are mistakes."""
        placed = [name for file in self.choices["file"] for name in file["operations"]]
        if sorted(placed) != sorted(self.operations):
            raise Unknown(f"operations without exactly one file: {set(placed) ^ set(self.operations)}")
        for table in ("present", "absent_is_empty", "order"):
            for structure, members in self.choices.get(table, {}).items():
                self.check_members(table, structure, members)
        for table in ("members", "types"):
            for path in self.choices.get(table, {}):
                structure, member = path.split(".")
                self.check_members(table, structure, [member])
        for table in ("names", "text", "maps", "checked"):
            self.check_shapes(table, self.choices.get(table, {}))
        self.check_shapes("page.sizes", self.choices["page"].get("sizes", {}))
        for table in ("filled", "by_hand"):
            self.check_shapes(table, self.choices.get(table, {}).get("names", []))
        for fold in self.choices.get("fold", []):
            for structure in fold["structures"]:
                self.check_members("fold", structure, fold["members"])

    def check_shapes(self, table, names):
        for name in names:
            if name not in self.shapes:
                raise Unknown(f"[{table}] {name} is no shape of the model")

    def check_members(self, table, structure, members):
        self.check_shapes(table, [structure])
        for member in members:
            if member not in self.shapes[structure]["members"]:
                raise Unknown(f"[{table}] {structure} has no member {member}")

    def reached(self, direction):
        """Names of all shapes that stand in inputs or in outputs."""
        found = set()
        for operation in self.operations.values():
            if direction in operation:
                self.walk(operation[direction]["shape"], found)
        return found

    def walk(self, name, found):
        """Adds a shape and everything in it."""
        if name in found:
            return
        found.add(name)
        for inner in self.inner(name):
            self.walk(inner, found)

    def inner(self, name):
        """Names of the shapes that a shape is made of."""
        shape = self.shapes[name]
        if shape["type"] == "structure":
            return [member["shape"] for _, member in self.members(name)]
        return [shape[part]["shape"] for part in ("member", "key", "value") if part in shape]

    def members(self, name):
        """(name, member) of a structure, without those that travel as headers."""
        members = self.shapes[name]["members"].items()
        return [(member, shape) for member, shape in members if shape.get("location") != "header"]

    def is_required(self, structure, member):
        return member in self.shapes[structure].get("required", [])

    def chosen(self, table, structure, member):
        return member in self.choices.get(table, {}).get(structure, [])

    def homes(self):
        """File by structure or enumeration."""
        homes = {}
        for file in self.choices["file"]:
            for name in file.get("shapes", []):
                found = set()
                self.walk(name, found)
                for shape in found:
                    homes.setdefault(shape, file["name"])
        for file in self.choices["file"]:
            for name in file["operations"]:
                found = set()
                for direction in ("input", "output"):
                    if direction in self.operations[name]:
                        self.walk(self.operations[name][direction]["shape"], found)
                for shape in sorted(found):
                    homes.setdefault(shape, file["name"])
        return homes
