"""The fields of each structure in Rust: name, type, documentation, and the expression that reads it from a request."""

from .model import Unknown
from .names import snake
from .rules import Rules

SIMPLE = {
    "string": "String",
    "integer": "u32",
    "float": "f64",
    "boolean": "bool",
    "timestamp": "Timestamp",
    "map": "StringMap",
}
# What an absent member comes to, by kind.
ABSENT = {"string": "Empty", "integer": "0", "boolean": "`false`", "map": "Empty", "list": "Empty"}


class Field:
    """A field of a structure: its Rust name and type, and how it is read and written."""

    def __init__(self, name, kind, wire, doc=None, read=None, flat=False, optional=False):
        self.name, self.kind, self.wire = name, kind, wire
        self.doc, self.read, self.flat, self.optional = doc, read, flat, optional

    @property
    def type(self):
        return f"Option<{self.kind}>" if self.optional else self.kind


class Fields:
    """Fields of the structures of a model."""

    def __init__(self, model):
        self.model = model
        self.choices = model.choices
        self.rules = Rules(model)
        self.homes = model.homes()
        # Types that the file in the making has named so far.
        self.named = set()
        self.operations = {
            operation["input"]["shape"]: name for name, operation in model.operations.items() if "input" in operation
        }
        self.responses = {
            operation["output"]["shape"]: name for name, operation in model.operations.items() if "output" in operation
        }

    # Names and types.

    def rust_name(self, shape):
        return self.choices["names"].get(shape, shape)

    def type_of(self, shape):
        described = self.model.shapes[shape]
        if "enum" in described or described["type"] == "structure":
            self.named.add(self.rust_name(shape))
            return self.rust_name(shape)
        if described["type"] == "list":
            return f"Vec<{self.type_of(described['member']['shape'])}>"
        return SIMPLE[described["type"]]

    def is_input(self, structure):
        return structure in self.model.inputs

    def is_output(self, structure):
        return structure in self.model.outputs

    def has_float(self, shape):
        found = set()
        self.model.walk(shape, found)
        return any(self.model.shapes[name]["type"] == "float" for name in found)

    def is_filled(self, structure):
        return structure in self.choices["filled"]["names"]

    # Fields.

    def fields(self, structure):
        """Fields in the order of the model, folded ones where their first member stands."""
        groups = {}
        for group in (*self.choices.get("fold", []), *self.choices.get("one_of", [])):
            if structure in group["structures"]:
                for member in self.grouped(structure, group):
                    groups[member] = group
        done, fields = [], []
        for name, member in self.model.members(structure):
            group = groups.get(name)
            if group is None:
                fields.append(self.field(structure, name, member["shape"]))
            elif group not in done:
                done.append(group)
                fields.append(self.group_field(structure, group))
        return fields

    def grouped(self, structure, group):
        """The members that a fold or a choice of one takes together."""
        if "members" in group:
            return group["members"]
        return [name for name, _ in self.model.members(structure) if name.startswith(group["prefix"])]

    def group_field(self, structure, group):
        names = ", ".join(f"`{name}`" for name in self.grouped(structure, group))
        is_choice = "prefix" in group
        self.named.add(group["type"])
        return Field(
            group["field"],
            group["type"],
            wire=None,
            doc=f"{'At most one of' if is_choice else 'The members'} {names}.",
            read=f"{group['type']}::read(&members)?" if self.is_input(structure) else None,
            flat=True,
            optional=is_choice,
        )

    def field(self, structure, name, shape):
        path = f"{structure}.{name}"
        rust = self.choices["members"].get(path, snake(name))
        kind = self.choices["types"].get(path, self.type_of(shape))
        required = self.model.is_required(structure, name)
        if self.is_input(structure):
            read, optional = self.reading(structure, name, shape, required)
        else:
            read, optional = None, not (required or self.model.chosen("present", structure, name))
        doc = self.field_doc(structure, name, shape, optional) if self.is_input(structure) else None
        return Field(rust, kind, name, doc, read, optional=optional)

    def field_doc(self, structure, name, shape, optional):
        parts = [f"`{name}`"]
        rule = self.rules.words(shape)
        if rule:
            parts[0] += f": {rule}"
        if name == "maxResults":
            parts[0] += f", {self.page_size(structure)} unless given"
        elif self.model.chosen("absent_is_empty", structure, name):
            parts.append(f"{ABSENT.get(self.model.shapes[shape]['type'], 'Its defaults')} unless given")
        return ". ".join(parts) + "."

    def page_size(self, structure):
        page = self.choices["page"]
        return page.get("sizes", {}).get(structure, page["size"])

    # Reading.

    def reading(self, structure, name, shape, required):
        """(expression, whether the field is optional)."""
        if structure in self.choices["by_hand"]["names"]:
            return None, not required
        if name == "nextToken":
            return f"members.page_token(&{self.rules.constant(shape)})?", True
        if name == "maxResults":
            return f"members.max_results({self.page_size(structure)}, {self.rules.constant(shape)})?", False
        taken = self.taken(name, shape)
        if required:
            if self.is_plain_text(shape):
                return taken.replace("members.text(", "members.required_text(", 1), False
            return f'members.required("{name}", {taken})?', False
        if self.is_filled(structure):
            some = ".filter(|list| !list.is_empty())" if self.model.shapes[shape]["type"] == "list" else ""
            field = self.choices["members"].get(f"{structure}.{name}", snake(name))
            return f"{taken}{some}.unwrap_or(defaults.{field})", False
        if self.model.chosen("absent_is_empty", structure, name):
            return f"{taken}.unwrap_or_default()", False
        return taken, True

    def is_plain_text(self, shape):
        described = self.model.shapes[shape]
        return described["type"] == "string" and "enum" not in described

    def taken(self, name, shape):
        """The expression that reads an optional member."""
        described = self.model.shapes[shape]
        kind = described["type"]
        if "enum" in described:
            return f'members.word("{name}")?'
        if kind == "string":
            return f'members.text("{name}", &{self.rules.constant(shape)})?'
        if kind == "integer":
            return f'members.number("{name}", {self.rules.constant(shape)})?'
        if kind == "float":
            return f'members.decimal("{name}", {self.rules.constant(shape)})?'
        if kind == "boolean":
            return f'members.flag("{name}")?'
        if kind == "structure":
            return f'members.shape("{name}")?'
        if kind == "list":
            return self.taken_list(name, shape, described["member"]["shape"])
        if kind == "map":
            return self.taken_map(name, shape)
        raise Unknown(f"{shape}: a {kind} in a request")

    def taken_list(self, name, shape, item):
        described = self.model.shapes[item]
        count = self.rules.constant(shape)
        if "enum" in described:
            return f'members.words("{name}", {count})?'
        if described["type"] == "structure":
            return f'members.shapes("{name}", {count})?'
        if described["type"] == "string":
            return f'members.texts("{name}", {count}, &{self.rules.constant(item)})?'
        raise Unknown(f"{shape}: a list of {described['type']}s in a request")

    def taken_map(self, name, shape):
        how = self.choices["maps"].get(shape)
        if how == "attributes":
            return f'members.attributes("{name}")?'
        if how == "tags":
            return f'members.tags("{name}", &{self.rules.constant(shape)})?'
        raise Unknown(f"{shape}: a map that [maps] does not know")
