"""Rust source from the model: one file per resource, the constants of all rules, and the table of operations."""

from .fields import Fields
from .names import camel, variant

NOTE = (
    "// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.\n"
)


class Writer(Fields):
    """Rust of all shapes of a model."""

    def structure(self, name):
        fields = self.fields(name)
        order = self.choices["order"].get(name)
        if order:
            fields = sorted(fields, key=lambda field: order.index(field.wire))
        sensitive = [field for field in fields if field.wire and self.is_sensitive(name, field.wire)]
        lines = self.head(name, fields, sensitive)
        lines += [f"pub struct {self.rust_name(name)} {{"]
        for field in fields:
            lines += self.declared(name, field)
        lines += ["}", ""]
        if sensitive:
            lines += self.debug(name, fields, sensitive)
        if name in self.operations and name not in self.choices["by_hand"]["names"]:
            lines += self.request(name)
        elif self.is_input(name) and name not in self.operations:
            lines += self.shape(name)
        return lines

    def is_sensitive(self, structure, member):
        return self.model.shapes[dict(self.model.members(structure))[member]["shape"]].get("sensitive", False)

    def head(self, name, fields, sensitive):
        """Documentation and derived traits."""
        traits = ["Clone", "PartialEq"]
        if not self.has_float(name):
            traits.append("Eq")
        if not sensitive:
            traits.append("Debug")
        if name not in self.operations and self.is_input(name) and all(field.optional for field in fields):
            traits.append("Default")
        writes = self.is_output(name)
        if writes:
            traits.append("Serialize")
        lines = [f"/// {line}" for line in self.about(name)]
        lines.append(f"#[derive({', '.join(traits)})]")
        if writes and any(field.wire and field.wire != field.name for field in fields):
            lines.append('#[serde(rename_all = "camelCase")]')
        if any(field.doc is None for field in fields):
            lines.append("#[allow(missing_docs)]")
        return lines

    def about(self, name):
        said = self.choices["about"].get(self.rust_name(name))
        if name in self.operations:
            head = f"Input of {self.operations[name]}."
        elif name in self.responses:
            head = f"Output of {self.responses[name]}."
        else:
            head = said or f"`{name}` of the model."
            said = None if said else said
            said = (
                f"`{name}` in the model."
                if head != f"`{name}` of the model." and self.rust_name(name) != name
                else None
            )
        return [head] + ([said] if said else [])

    def declared(self, structure, field):
        if field.doc:
            yield f"/// {field.doc}"
        if self.is_output(structure):
            if field.flat:
                yield "#[serde(flatten)]"
            elif camel(field.name) != field.wire:
                yield f'#[serde(rename = "{field.wire}")]'
            if field.optional:
                yield '#[serde(skip_serializing_if = "Option::is_none")]'
        yield f"pub {field.name}: {field.type},"

    def debug(self, name, fields, sensitive):
        """`Debug` without secrets."""
        rust = self.rust_name(name)
        secret = " and ".join(f"`{field.name}`" for field in sensitive)
        lines = [
            f"/// Shows everything but {secret}, so that a secret never reaches a log by way of `{{:?}}`.",
            f"impl std::fmt::Debug for {rust} {{",
            "fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {",
            f'f.debug_struct("{rust}")',
        ]
        lines += [f'.field("{field.name}", &self.{field.name})' for field in fields if field not in sensitive]
        return [*lines, ".finish_non_exhaustive()", "}", "}", ""]

    def reads(self, structure, fields):
        """The body of a function that reads a structure from `members`."""
        value = ["Self {", *(f"{field.name}: {field.read}," for field in fields), "}"]
        if structure in self.choices["checked"]:
            return [*value[:-1], "}.checked()"]
        return ["Ok(", *value, ")"]

    def request(self, name):
        operation = self.operations[name]
        fields = self.fields(name)
        lines = [
            f"impl Request for {self.rust_name(name)} {{",
            f"const OPERATION: Operation = Operation::{operation};",
            f"type Response = {self.response_of(operation)};",
            "",
            "fn parse(body: &[u8]) -> Result<Self, ApiError> {",
            "let body = Body::parse(body)?;",
            "let members = body.members();",
            *self.reads(name, fields),
            "}",
            "}",
            "",
        ]
        if any(field.wire == "maxResults" for field in fields):
            lines += self.filters(name, fields)
            page = "(self.next_token.as_deref(), self.max_results)"
            lines += self.named_trait(name, "Paged", "fn page(&self) -> (Option<&str>, u32)", page)
        if any(field.wire == "arn" and field.kind == "String" for field in fields):
            lines += self.named_trait(name, "ByArn", "fn arn(&self) -> &str", "&self.arn")
        return lines

    def named_trait(self, name, trait, function, body):
        """An implementation of a trait with one function."""
        return [f"impl {trait} for {self.rust_name(name)} {{", f"{function} {{ {body} }}", "}", ""]

    def response_of(self, operation):
        output = self.model.operations[operation].get("output", {}).get("shape")
        return self.rust_name(output) if output and self.model.members(output) else "EmptyResponse"

    def shape(self, name):
        rust, fields = self.rust_name(name), self.fields(name)
        uses_defaults = any(field.read and "defaults." in field.read for field in fields)
        return [
            f"impl Shape for {rust} {{",
            "fn read(members: &Object<'_>) -> Result<Self, ApiError> {",
            *(["let defaults = Self::default();"] if uses_defaults else []),
            *self.reads(name, fields),
            "}",
            "}",
            "",
        ]

    def filters(self, name, fields):
        """What a page token is bound to: the members that choose rows."""
        chosen = [field for field in fields if field.wire not in ("nextToken", "maxResults")]
        rust = self.rust_name(name)
        lines = [
            f"impl {rust} {{",
            "/// The members that a page token of this request is bound to, besides account and Region.",
        ]
        required = [field for field in chosen if not field.optional]
        pairs = ", ".join(f'("{field.wire}", self.{field.name}.as_str())' for field in required)
        if required == chosen:
            constant = "" if chosen else "const "
            lines.append(f"pub {constant}fn filters(&self) -> [(&'static str, &str); {len(chosen)}] {{ [{pairs}] }}")
        else:
            lines += ["pub fn filters(&self) -> Vec<(&'static str, &str)> {", f"let mut filters = vec![{pairs}];"]
            for field in chosen:
                if field.flat:
                    lines.append(f"filters.extend(self.{field.name}.as_ref().map({field.kind}::as_pair));")
                elif field.optional:
                    given = f'self.{field.name}.as_ref().map(|given| ("{field.wire}", given.as_str()))'
                    lines.append(f"filters.extend({given});")
            lines += ["filters", "}"]
        return [*lines, "}", ""]

    def enumeration(self, name):
        words = self.model.shapes[name]["enum"]
        about = self.choices["about"].get(self.rust_name(name), f"`{name}` of the model.")
        return [
            # rustfmt leaves what stands inside of a macro as it is.
            "wire_enum! {",
            f"    /// {about}",
            f"    {self.rust_name(name)} {{",
            *(f'        {variant(word)} = "{word}",' for word in words),
            "    }",
            "}",
            "",
        ]

    def folded(self, fold):
        """The structure that folded members make, unless the model has one."""
        if fold["type"] in self.model.shapes:
            return []
        structure = fold["structures"][0]
        members = dict(self.model.members(structure))
        lines = [f"/// {self.choices['about'][fold['type']]}", "#[derive(Clone, PartialEq, Eq, Debug, Serialize)]"]
        lines += ['#[serde(rename_all = "camelCase")]', "#[allow(missing_docs)]", f"pub struct {fold['type']} {{"]
        for member in fold["members"]:
            field = self.field(structure, member, members[member]["shape"])
            lines += self.declared(structure, field)
        return [*lines, "}", ""]

    def choice_of_one(self, group):
        """The enumeration of members of which there may be one at most."""
        structure, rust = group["structures"][0], group["type"]
        members = dict(self.model.members(structure))
        names = self.grouped(structure, group)
        lines = [f"/// {self.choices['about'][rust]}", "#[derive(Clone, PartialEq, Eq, Debug)]", f"pub enum {rust} {{"]
        for name in names:
            field = self.field(structure, name, members[name]["shape"])
            lines += [f"/// {field.doc}", f"{name.removeprefix(group['prefix'])}({field.kind}),"]
        lines += ["}", "", f"impl {rust} {{", "fn read(members: &Object<'_>) -> Result<Option<Self>, ApiError> {"]
        lines += ["let given: Vec<Self> = ["]
        for name in names:
            field = self.field(structure, name, members[name]["shape"])
            lines.append(f"{field.read}.map(Self::{name.removeprefix(group['prefix'])}),")
        lines += [
            "].into_iter().flatten().collect();",
            "if given.len() > 1 {",
            "let names: Vec<_> = given.iter().map(|filter| filter.as_pair().0).collect();",
            f'return Err(fail(&names.join(" and "), "{group["rule"]}"));',
            "}",
            "Ok(given.into_iter().next())",
            "}",
            "",
            "/// The member's name and its value as text.",
            "fn as_pair(&self) -> (&'static str, &str) {",
            "match self {",
        ]
        for name in names:
            kind, arm = self.type_of(members[name]["shape"]), name.removeprefix(group["prefix"])
            if kind == "bool":
                lines += [f'Self::{arm}(given) => ("{name}", if *given {{ "true" }} else {{ "false" }}),']
            else:
                lines += [f'Self::{arm}(given) => ("{name}", given.as_str()),']
        return [*lines, "}", "}", "}", ""]

    # Files.

    def files(self):
        """Text by path below crates/restage-api/src."""
        made = {f"generated/{file['name']}.rs": self.file(file) for file in self.choices["file"]}
        made["generated/constraint.rs"] = self.constraints()
        made["generated.rs"] = self.room()
        made["operation/table.rs"] = self.table()
        return made

    def file(self, file):
        """Requests and answers in the order of the operations, then what they are made of."""
        mine = [name for name, home in self.homes.items() if home == file["name"]]
        structures, enumerations = [], []
        for operation in file["operations"]:
            for direction in ("input", "output"):
                name = self.model.operations[operation].get(direction, {}).get("shape")
                if name and (direction == "input" or self.model.members(name)):
                    structures.append(name)
        seen = {self.rust_name(name) for name in structures}
        for name in sorted(mine):
            described = self.model.shapes[name]
            if self.rust_name(name) in seen or name in self.responses or described.get("exception"):
                continue
            if "enum" in described:
                enumerations.append(name)
            elif described["type"] == "structure":
                structures.append(name)
            else:
                continue
            seen.add(self.rust_name(name))
        body, self.named = [], set()
        for name in enumerations:
            body += self.enumeration(name)
        for fold in self.choices.get("fold", []):
            if self.homes.get(fold["structures"][0]) == file["name"]:
                body += self.folded(fold)
        for group in self.choices.get("one_of", []):
            if self.homes.get(group["structures"][0]) == file["name"]:
                body += self.choice_of_one(group)
        for name in structures:
            body += self.structure(name)
        text = "\n".join(body)
        return f"//! {file['about']}\n{NOTE}\n{self.imports(file, text)}\n{text}"

    def imports(self, file, text):
        """The `use` lines that a file's text needs."""
        lines = []
        if "BTreeSet<" in text:
            lines += ["use std::collections::BTreeSet;", ""]
        if "Serialize)" in text:
            lines += ["use serde::Serialize;", ""]
        if "ApiError" in text:
            lines.append("use crate::error::ApiError;")
        constants = sorted(set(self.rules.used.values()) & words(text))
        if constants:
            lines.append(f"use crate::generated::constraint::{{{', '.join(constants)}}};")
        for other in self.choices["file"]:
            there = {self.rust_name(name) for name, home in self.homes.items() if home == other["name"]}
            there &= self.named
            if other is not file and there:
                lines.append(f"use crate::generated::{other['name']}::{{{', '.join(sorted(there))}}};")
        for module, names in (
            ("operation", ("ByArn", "EmptyResponse", "Operation", "Paged", "Request")),
            ("read", ("Body", "Object", "Shape", "StringMap", "fail", "wire_enum")),
            ("time", ("Timestamp",)),
        ):
            used = [name for name in names if name in words(text)]
            if used:
                lines.append(f"use crate::{module}::{{{', '.join(used)}}};")
        return "\n".join(lines) + "\n"

    def constraints(self):
        for structure in self.choices["by_hand"]["names"]:
            for _, member in self.model.members(structure):
                self.rules.constant(member["shape"])
        lines = self.rules.written()
        kinds = [
            kind for kind in ("Count", "Decimals", "Entries", "Pattern", "Range", "Text") if kind in words(str(lines))
        ]
        return (
            "//! The rules of the model's simple shapes, by the shape's name.\n"
            f"{NOTE}\nuse crate::read::{{{', '.join(kinds)}}};\n\n" + "\n".join(lines) + "\n"
        )

    def room(self):
        names = sorted([file["name"] for file in self.choices["file"]] + ["constraint"])
        modules = "\n".join(f"pub(crate) mod {name};" for name in names)
        return (
            "//! Requests, answers and rules of all operations of the service, built or not: one file per resource.\n"
            f"{NOTE}\n{modules}\n"
        )

    def table(self):
        arms = "\n".join(f'Self::{name} => "{name}",' for name in self.model.operations)
        variants = "\n".join(f"{name}," for name in self.model.operations)
        every = "\n".join(f"Self::{name}," for name in self.model.operations)
        routes = "\n".join(
            f'Self::{name} => ("{operation["http"]["method"]}", "{operation["http"]["requestUri"]}"),'
            for name, operation in self.model.operations.items()
        )
        return f"""//! All operations of the service.
{NOTE}
/// An operation of the service (API version 2020-07-14).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Operation {{
{variants}
}}

impl Operation {{
/// Every operation of the service, built or not, in the order of the model.
pub const ALL: &'static [Self] = &[
{every}
];

/// The name as it stands in the path and in page tokens.
pub const fn name(self) -> &'static str {{
match self {{
{arms}
}}
}}

/// Method and path, which may hold `{{resourceArn}}`.
pub const fn route(self) -> (&'static str, &'static str) {{
match self {{
{routes}
}}
}}
}}
"""


def words(text):
    """The identifiers in a text."""
    word, found = "", set()
    for character in text + " ":
        if character.isalnum() or character == "_":
            word += character
        elif word:
            found.add(word)
            word = ""
    return found
