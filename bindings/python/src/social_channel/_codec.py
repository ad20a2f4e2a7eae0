"""JSON to dataclasses and back."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from os import PathLike, fspath
from typing import Any

from . import documents


@functools.cache
def _members(kind: type) -> dict[str, tuple[str, Any]]:
    hints = typing.get_type_hints(kind, vars(documents))
    return {one.name.rstrip("_"): (one.name, hints[one.name]) for one in dataclasses.fields(kind)}


def decode(kind: Any, value: Any) -> Any:
    """A value of JSON as `kind`. Members that are not known here come from a newer library and are left out."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        inner = [one for one in typing.get_args(kind) if one is not type(None)]
        return decode(inner[0], value) if len(inner) == 1 else value
    if origin is list:
        return [decode(typing.get_args(kind)[0], one) for one in value or []]
    if origin is dict:
        return {name: decode(typing.get_args(kind)[1], one) for name, one in (value or {}).items()}
    if dataclasses.is_dataclass(kind):
        known = _members(kind)
        given = {known[name][0]: decode(known[name][1], one) for name, one in value.items() if name in known}
        return kind(**given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        # An older header may not know a newer library's case: then it stays the text it is.
        try:
            return kind(value)
        except ValueError:
            return value
    return value


def encode(value: Any) -> str:
    """A document as JSON. What is None is left out, which means the same."""
    return json.dumps(_plain(value), ensure_ascii=False, default=_refuse)


def _refuse(value: Any) -> Any:
    raise TypeError(
        f"a document takes text, numbers, flags, lists and mappings, and {type(value).__name__} was given: write it as one of them"
    )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = ((one.name.rstrip("_"), getattr(value, one.name)) for one in dataclasses.fields(value))
        return {name: _plain(member) for name, member in members if member is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
