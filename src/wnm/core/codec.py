"""Our frozen values as JSON, and back again from data that nobody vouches for."""

import json
import math
from typing import Any, overload

import msgspec

from wnm.core.errors import BadInput, Bug

# Equal values are equal texts: the members of a set have an order of their own.
_ENCODER = msgspec.json.Encoder(order="deterministic")
LONGEST_COMPLAINT = 200


def encode(value: object) -> Any:
    """The value as dicts, lists, texts, numbers, booleans and None.

    A value of ours becomes a dict with its class name under `is`; a datetime is ISO 8601, an enum its value.
    Raises Bug for anything else.
    """
    return json.loads(to_json_bytes(value))


def to_json(value: object) -> str:
    """`encode`, as compact JSON text."""
    return to_json_bytes(value).decode()


def to_json_bytes(value: object) -> bytes:
    """`encode`, as compact JSON text in UTF-8. Raises Bug."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, builtin_types=(), order="deterministic")
        return json.dumps(plain, separators=(",", ":")).encode()
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise Bug(f"a {type(value).__name__} cannot be encoded: {error}") from None


@overload
def decode[T](kind: type[T], data: object) -> T: ...
@overload
def decode(kind: object, data: object) -> Any: ...
def decode(kind: Any, data: object) -> Any:
    """The value of type `kind` that `encode` made `data` from.

    `kind` may be a union or an alias of one. A missing key takes the field's default. Raises BadInput, in one
    line, for data that no such value encodes to.
    """
    try:
        return msgspec.convert(data, kind, builtin_types=())
    except (msgspec.ValidationError, UnicodeError) as error:
        newer = _with_typed_reasons(data)
        if newer != data:
            return decode(kind, newer)
        name = getattr(kind, "__name__", None) or str(kind)
        complaint = " ".join(str(error).split())[:LONGEST_COMPLAINT]
        raise BadInput(f"not a {name}: {complaint}") from None


@overload
def from_json[T](kind: type[T], text: str | bytes) -> T: ...
@overload
def from_json(kind: object, text: str | bytes) -> Any: ...
def from_json(kind: Any, text: str | bytes) -> Any:
    """`decode` of JSON text. Raises BadInput."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return decode(kind, load(text))


def load(text: str | bytes) -> object:
    """JSON as dicts, lists and plain values, its numbers finite. Raises BadInput.

    A text in it may hold half a character, as names of files can; msgspec does not take those.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _with_typed_reasons(data: Any) -> Any:
    """Return data from the time when reasons were sentences, with typed reasons that hold these sentences."""
    if isinstance(data, list):
        return [_with_typed_reasons(each) for each in data]
    if not isinstance(data, dict):
        return data
    if data.get("is") == "Held":
        remedy = data.get("remedy")
        return {
            **_legacy("Blocked", data.get("waiting_for")),
            "action": _legacy("Task", data.get("what")),
            "until": data.get("until"),
            "remedy": None if remedy is None else _legacy("Remedy", remedy),
        }
    newer = {key: _with_typed_reasons(value) for key, value in data.items()}
    # A node, which has an id, keeps its reason as a text.
    if "id" not in data and isinstance(data.get("because"), str):
        newer["because"] = _legacy("Reason", data["because"])
    return newer


def _legacy(kind: str, text: object) -> dict[str, Any]:
    return {"is": kind, "kind": "legacy", "text": text}
