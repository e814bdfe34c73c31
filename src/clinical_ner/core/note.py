"""What a note is, said once: for the service, for feedback, and for the door through which new notes come in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

MAX_ID_CHARACTERS = 200

NoteId = Annotated[str, Field(max_length=MAX_ID_CHARACTERS)]


def storable(text: str) -> str:
    """The text, if a store takes it: PostgreSQL keeps no U+0000, and half a surrogate pair is no character.

    Raises:
        PydanticCustomError: it cannot be stored; its type is the name of the reason.
    """
    if "\0" in text:
        raise PydanticCustomError("nul", "the character U+0000 cannot be stored")
    if not is_unicode(text):
        raise PydanticCustomError("not_utf8", "the text holds what is no character")
    return text


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8.

    >>> is_unicode("41 °C"), is_unicode(b"41 \\xb0C".decode("utf-8", "surrogateescape"))
    (True, False)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
