"""Makes src/social_channel/documents.py from the JSON Schemas of the C library.

    python3 bindings/python/generate.py            writes the file
    python3 bindings/python/generate.py --check    fails if it is not what the schemas say

Own code, since the common generators make classes that need a package at run time to be read from JSON.
"""

import json
import keyword
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "c" / "schema" / "social_channel.schema.json"
TARGET = HERE / "src" / "social_channel" / "documents.py"
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict[str, Any]"}

HEAD = '''"""The documents that cross the border, as dataclasses. Made by generate.py from the JSON Schemas; do not edit.

An absent value is None: unknown, never zero. Members that a newer library adds are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
'''


def words(text, indent):
    lines = textwrap.wrap(text.replace("[`", "`").replace("`]", "`"), 110 - indent)
    return ("\n" + " " * indent).join(lines)


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


class Generator:
    def __init__(self, definitions):
        self.definitions = definitions
        self.out = []

    def kind(self, schema, owner, name):
        """The Python type of a schema; members of `owner` that are objects of their own get a class."""
        if "$ref" in schema:
            return schema["$ref"].rsplit("/", 1)[1]
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self.kind(one, owner, name) for one in schema["anyOf"]))
        kind = schema.get("type")
        if isinstance(kind, list):
            return " | ".join(self.kind({**schema, "type": one}, owner, name) for one in kind)
        if kind == "null":
            return "None"
        if kind == "array":
            if "prefixItems" in schema:
                return "list[Any]"
            return f"list[{self.kind(schema['items'], owner, name)}]"
        if kind == "object" and "properties" in schema:
            self.record(owner + camel(name), schema)
            return owner + camel(name)
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"dict[str, {self.kind(schema['additionalProperties'], owner, name)}]"
        return PLAIN[kind] if kind else "Any"

    def record(self, name, schema):
        members = []
        required = schema.get("required", [])
        for one in schema.get("oneOf", []):
            for member, inner in one["properties"].items():
                told = one.get("description") or inner.get("description", "")
                members.append((member, {**inner, "description": told}, False))
        members += [(member, inner, member in required) for member, inner in schema.get("properties", {}).items()]
        # Members without a default come first, as dataclasses want it.
        members.sort(key=lambda one: not one[2])
        lines = ["", "", "@dataclass(kw_only=True)", f"class {name}:"]
        lines.append(f'    """{words(schema.get("description", "One of several."), 4)}"""')
        for member, inner, needed in members:
            kind = self.kind(inner, name, member)
            if needed:
                default = ""
            elif kind.endswith("None"):
                # Absent and empty are not the same: an app without `origins` gets what its provider asks for.
                default = " = None"
            elif kind.startswith("list["):
                default = " = field(default_factory=list)"
            elif kind.startswith("dict["):
                default = " = field(default_factory=dict)"
            elif "default" in inner and isinstance(inner["default"], (bool, int, str)):
                default = f" = {inner['default']!r}"
            else:
                kind = kind if kind.endswith("None") else f"{kind} | None"
                default = " = None"
            # `from_` stands for `from`, as Python writes it.
            shown = member + "_" if keyword.iskeyword(member) else member
            lines += ["", f"    {shown}: {kind}{default}"]
            if inner.get("description"):
                lines.append(f'    """{words(inner["description"], 4)}"""')
        self.out += lines

    def definition(self, name, schema):
        cases = schema.get("oneOf", [])
        if cases and all("const" in case or "enum" in case for case in cases):
            self.out += ["", "", f"class {name}(StrEnum):", f'    """{words(schema.get("description", name), 4)}"""']
            for case in cases:
                for value in [case["const"]] if "const" in case else case["enum"]:
                    self.out += ["", f'    {value.upper()} = "{value}"']
                if case.get("description"):
                    self.out.append(f'    """{words(case["description"], 4)}"""')
        elif "enum" in schema:
            self.out += ["", "", f"class {name}(StrEnum):", f'    """{words(schema.get("description", name), 4)}"""', ""]
            self.out += [f'    {value.upper()} = "{value}"' for value in schema["enum"]]
        elif "properties" in schema or cases:
            self.record(name, schema)
        else:
            self.aliases.append((name, self.kind(schema, name, ""), schema.get("description", "")))

    def text(self):
        self.aliases = []
        for name, schema in self.definitions.items():
            self.definition(name, schema)
        lines = [HEAD.rstrip("\n")]
        plain = [alias for alias in self.aliases if alias[1] not in self.definitions]
        for name, kind, told in plain:
            lines += ["", f"{name} = {kind}", f'"""{words(told, 0)}"""']
        lines += self.out
        for name, kind, told in self.aliases:
            if (name, kind, told) not in plain:
                lines += ["", "", f"{name} = {kind}", f'"""{words(told, 0)}"""']
        return "\n".join(lines) + "\n"


def main():
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    text = Generator(definitions).text()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() != text:
            sys.exit(f"{TARGET} is not what the schemas say: run {Path(__file__).name}")
    else:
        TARGET.write_text(text)


if __name__ == "__main__":
    main()
