"""What turns JSON-able data into values of a type: one function per type, made once."""

import math
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from reprlib import Repr
from types import NoneType, UnionType
from typing import Any, NewType, TypeAliasType, Union, get_args, get_origin, get_type_hints

from wnm.core.errors import Bug

TAG = "is"
"""The key that names a dataclass: `{"is": "Unseen", "reason": "…"}`."""

type _Decoder = Callable[[object], Any]


class MismatchError(Exception):
    """Data that does not fit; `place` collects the way to it, innermost first."""

    def __init__(self, complaint: str) -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.place: list[str] = []

    def inside(self, step: str) -> "MismatchError":
        self.place.append(step)
        return self


@cache
def decoder(kind: Any) -> _Decoder:
    if isinstance(kind, TypeAliasType):
        return decoder(kind.__value__)
    if isinstance(kind, NewType):
        return decoder(kind.__supertype__)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType or origin is Union:
        return _union_decoder(_flat(arguments))
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is frozenset:
        each = _list_decoder(decoder(arguments[0]))
        return lambda data: frozenset(each(data))
    if kind in _SCALARS:
        return _SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_decoder(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass_decoder(kind)
    raise Bug(f"a {kind} cannot be decoded")


def _wrong(expected: str, data: object) -> MismatchError:
    found = Repr()
    found.maxstring = found.maxother = 40
    return MismatchError(f"expected {expected}, found {found.repr(data)}")


def _exactly(kind: type, name: str) -> _Decoder:
    def check(data: object) -> object:
        if type(data) is not kind:
            raise _wrong(name, data)
        return data

    return check


def _number(data: object) -> float:
    if type(data) is int or type(data) is float:
        try:
            if math.isfinite(data):
                return float(data)
        except OverflowError:
            pass
    raise _wrong("a finite number", data)


def _moment(data: object) -> datetime:
    try:
        moment = datetime.fromisoformat(data) if isinstance(data, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _wrong("a time in ISO 8601 with its zone", data)
    return moment


def _duration(data: object) -> timedelta:
    try:
        return timedelta(seconds=_number(data))
    except OverflowError:
        raise _wrong("a number of seconds", data) from None


_SCALARS: dict[object, _Decoder] = {
    NoneType: _exactly(NoneType, "null"),
    None: _exactly(NoneType, "null"),
    bool: _exactly(bool, "true or false"),
    int: _exactly(int, "a whole number"),
    str: _exactly(str, "a text"),
    float: _number,
    datetime: _moment,
    timedelta: _duration,
}


def _enum_decoder(kind: type[Enum]) -> _Decoder:
    def choose(data: object) -> Enum:
        try:
            return kind(data)
        except ValueError:
            raise _wrong(f"one of {', '.join(str(member.value) for member in kind)}", data) from None

    return choose


def _list_decoder(each: _Decoder) -> Callable[[object], list[Any]]:
    def items(data: object) -> list[Any]:
        if not isinstance(data, list):
            raise _wrong("a list", data)
        made: list[Any] = []
        try:
            for item in data:
                made.append(each(item))
        except MismatchError as mismatch:
            raise mismatch.inside(f"[{len(made)}]") from None
        return made

    return items


def _tuple_decoder(arguments: tuple[Any, ...]) -> _Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        each = _list_decoder(decoder(arguments[0]))
        return lambda data: tuple(each(data))
    parts = tuple(decoder(argument) for argument in arguments)

    def fixed(data: object) -> tuple[Any, ...]:
        if not isinstance(data, list) or len(data) != len(parts):
            raise _wrong(f"a list of {len(parts)}", data)
        return tuple(part(item) for part, item in zip(parts, data, strict=True))

    return fixed


def _flat(members: tuple[Any, ...]) -> list[Any]:
    """The members of a union, with aliases of unions taken apart."""
    flat: list[Any] = []
    for member in members:
        while isinstance(member, TypeAliasType):
            member = member.__value__
        inner = get_origin(member) is UnionType or get_origin(member) is Union
        flat.extend(_flat(get_args(member)) if inner else [member])
    return flat


def _union_decoder(members: list[Any]) -> _Decoder:
    ours = [member for member in members if isinstance(member, type) and is_dataclass(member)]
    tagged: dict[str, _Decoder] = {member.__name__: decoder(member) for member in ours}
    others = [decoder(member) for member in members if member not in ours]
    expected = " or ".join(getattr(member, "__name__", str(member)) for member in members)

    def choose(data: object) -> object:
        if isinstance(data, dict):
            tag = data.get(TAG)
            if isinstance(tag, str) and tag in tagged:
                return tagged[tag](data)
            raise _wrong(expected, data)
        for other in others:
            try:
                return other(data)
            except MismatchError:
                continue
        raise _wrong(expected, data)

    return choose


def _dataclass_decoder(kind: type) -> _Decoder:
    hints = get_type_hints(kind)
    parts = {field.name: decoder(hints[field.name]) for field in fields(kind)}
    required = [
        field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING
    ]
    known = {TAG, *parts}

    def build(data: object) -> object:
        if not isinstance(data, dict) or data.get(TAG) != kind.__name__:
            raise _wrong(kind.__name__, data)
        if not data.keys() <= known:
            stranger = min(str(key) for key in data.keys() - known)
            raise MismatchError(f"a {kind.__name__} has no {stranger[:40]!r}")
        for name in required:
            if name not in data:
                raise MismatchError(f"{name} of the {kind.__name__} is missing")
        values: dict[str, object] = {}
        name = ""
        try:
            for name, part in parts.items():
                if name in data:
                    values[name] = part(data[name])
        except MismatchError as mismatch:
            raise mismatch.inside(f".{name}") from None
        try:
            return kind(**values)
        except (ValueError, TypeError, OverflowError) as error:
            raise MismatchError(f"not a possible {kind.__name__}: {error}") from None

    return build
