"""The base of every value that is stored or sent: frozen, by name, and tagged with its class in JSON."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

TAG = "is"
"""The key that names a value's class: `{"is": "Unseen", "reason": "…"}`."""


Moment = Annotated[datetime, Meta(tz=True)]
"""A moment with its time zone; one without is refused when a value is read."""


class Value(Struct, frozen=True, kw_only=True, tag_field=TAG, tag=True, forbid_unknown_fields=True):
    """A fact, a wish, a plan or a result. Encoded, it is an object whose `is` is the name of its class."""
