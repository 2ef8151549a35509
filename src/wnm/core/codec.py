"""Our frozen values as JSON-able data, and back again from data that nobody vouches for."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from operator import attrgetter
from types import NoneType
from typing import Any, overload

from wnm.core.decoding import TAG, MismatchError, decoder
from wnm.core.errors import BadInput, Bug

_PLAIN = frozenset({str, int, float, bool, NoneType})

type _Encoder = Callable[[Any], object]


def encode(value: Any) -> Any:
    """The value as dicts, lists, texts, numbers, booleans and None.

    A dataclass becomes a dict with its class name under `is`; a datetime is ISO 8601 in UTC, a timedelta
    seconds, an enum its value. Raises Bug for anything else.
    """
    return _ENCODERS[type(value)](value)


@overload
def decode[T](kind: type[T], data: object) -> T: ...
@overload
def decode(kind: object, data: object) -> Any: ...
def decode(kind: object, data: object) -> Any:
    """The value of type `kind` that `encode` made `data` from.

    `kind` may be a union or an alias of one. A missing key takes the field's default. Raises BadInput, in one
    line, for data that no such value encodes to.
    """
    try:
        return decoder(kind)(data)
    except MismatchError as mismatch:
        name = getattr(kind, "__name__", None) or str(kind)
        place = "".join(reversed(mismatch.place)).lstrip(".")
        raise BadInput(f"not a {name}: {place + ': ' if place else ''}{mismatch.complaint}") from None


def to_json(value: object) -> str:
    """`encode`, as compact JSON text in ASCII."""
    return json.dumps(encode(value), separators=(",", ":"))


@overload
def from_json[T](kind: type[T], text: str | bytes) -> T: ...
@overload
def from_json(kind: object, text: str | bytes) -> Any: ...
def from_json(kind: object, text: str | bytes) -> Any:
    """`decode` of JSON text. Raises BadInput."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}") from None
    return decode(kind, data)


class _Encoders(dict[type, _Encoder]):
    """One function per class, made when it is first met."""

    def __missing__(self, kind: type) -> _Encoder:
        made = self[kind] = _encoder_for(kind)
        return made


def _encoder_for(kind: type) -> _Encoder:
    if kind in _PLAIN:
        return _same
    if issubclass(kind, Enum):
        return _enum_value
    if kind is datetime:
        return _iso
    if kind is timedelta:
        return timedelta.total_seconds
    if kind is tuple or kind is list:
        return _items
    if kind is frozenset:
        return _members
    if is_dataclass(kind):
        return _dataclass_encoder(kind)
    raise Bug(f"a {kind.__name__} cannot be encoded")


def _same(value: object) -> object:
    return value


def _enum_value(value: Enum) -> object:
    return value.value


def _iso(value: datetime) -> str:
    if value.tzinfo is None:
        raise Bug(f"{value} has no time zone")
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat()


def _items(values: tuple[object, ...]) -> list[object]:
    return [encode(value) for value in values]


def _members(values: frozenset[Any]) -> list[object]:
    """In an order of their own, so that equal sets are equal texts."""
    try:
        return [encode(value) for value in sorted(values)]
    except TypeError:
        return sorted((encode(value) for value in values), key=repr)


def _dataclass_encoder(kind: type) -> _Encoder:
    names = tuple(field.name for field in fields(kind))
    if TAG in names:
        raise Bug(f"{kind.__name__} may not have a field named {TAG}")
    tag = kind.__name__
    if len(names) < 2:  # attrgetter gives a tuple only for two names or more
        return lambda value: {TAG: tag} | {name: encode(getattr(value, name)) for name in names}
    read = attrgetter(*names)

    def encode_fields(value: object) -> dict[str, object]:
        data: dict[str, object] = {TAG: tag}
        for name, field in zip(names, read(value), strict=True):
            # Most fields are plain; not calling anything for them is half of the speed.
            data[name] = field if type(field) in _PLAIN else _ENCODERS[type(field)](field)
        return data

    return encode_fields


_ENCODERS = _Encoders()
