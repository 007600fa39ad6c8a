"""A test in Rust for each answer: with every member and with the fewest, against the JSON that the model asks for."""

import json

from .names import snake, variant
from .rust import NOTE

TIME = ("Timestamp(1_790_932_504_000_000)", "2026-10-02T09:15:04Z")


class Samples:
    """Values of each shape in Rust, and what they are in JSON."""

    def __init__(self, writer):
        self.writer, self.model = writer, writer.model

    def text(self):
        """The file of tests."""
        tests = [
            self.test(name)
            for name, operation in self.model.operations.items()
            if "output" in operation and self.model.members(operation["output"]["shape"])
        ]
        return (
            "//! Answers of every operation, with all members and with the fewest.\n"
            f"{NOTE}\nuse restage_api::Timestamp;\nuse restage_api::shape::*;\n\nuse crate::{{map, written}};\n\n"
            + "\n".join(tests)
        )

    def test(self, operation):
        output = self.model.operations[operation]["output"]["shape"]
        lines = ["#[test]", f"fn {snake(operation)}() {{"]
        for full in (True, False):
            expected = json.dumps(self.json(output, full), ensure_ascii=False)
            lines.append(f'written(&{self.rust(output, full)}, r#"{expected}"#);')
        return "\n".join([*lines, "}"]) + "\n"

    def rust(self, shape, full):
        """A value in Rust."""
        described = self.model.shapes[shape]
        kind = described["type"]
        if "enum" in described:
            return f"{self.writer.rust_name(shape)}::{variant(described['enum'][-1])}"
        if kind == "structure":
            fields = self.writer.fields(shape)
            inner = "".join(f"{field.name}: {self.field(shape, field, full)}, " for field in fields)
            return f"{self.writer.rust_name(shape)} {{ {inner}}}"
        if kind == "list":
            return f"vec![{self.rust(described['member']['shape'], full)}]" if full else "vec![]"
        return {
            "string": f'"{shape}".into()',
            "integer": "7",
            "float": "29.97",
            "boolean": "true",
            "timestamp": TIME[0],
            "map": 'map(&[("team", "blue")])' if full else "map(&[])",
        }[kind]

    def field(self, structure, field, full):
        if field.flat:
            return self.folded(structure, field, full)
        if field.optional and not full:
            return "None"
        value = self.rust(dict(self.model.members(structure))[field.wire]["shape"], full)
        return f"Some({value})" if field.optional else value

    def folded(self, structure, field, full):
        """The structure that several members make."""
        fold = next(fold for fold in self.writer.choices["fold"] if fold["field"] == field.name)
        members = dict(self.model.members(structure))
        inner = [self.writer.field(structure, name, members[name]["shape"]) for name in fold["members"]]
        fields = "".join(f"{field.name}: {self.field(structure, field, full)}, " for field in inner)
        return f"{field.kind} {{ {fields}}}"

    def json(self, shape, full):
        """The same value on the wire."""
        described = self.model.shapes[shape]
        kind = described["type"]
        if "enum" in described:
            return described["enum"][-1]
        if kind == "structure":
            return {
                name: self.json(member["shape"], full)
                for name, member in self.model.members(shape)
                if full or self.is_always_there(shape, name)
            }
        if kind == "list":
            return [self.json(described["member"]["shape"], full)] if full else []
        return {
            "string": shape,
            "integer": 7,
            "float": 29.97,
            "boolean": True,
            "timestamp": TIME[1],
            "map": {"team": "blue"} if full else {},
        }[kind]

    def is_always_there(self, structure, member):
        required = self.model.is_required(structure, member)
        return required or self.model.chosen("present", structure, member) or self.writer.is_filled(structure)
