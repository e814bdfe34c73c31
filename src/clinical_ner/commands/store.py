"""What commands over the service's store share: its option, and what is said where it is down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from clinical_ner.core.errors import UserError

StoreUrl = Annotated[str, typer.Option("--store", envvar="CLINICAL_NER_STORE", help="SQLAlchemy's URL.")]
STORE = "sqlite:///clinical-ner.sqlite"


@contextmanager
def reached() -> Iterator[None]:
    """Say what to do where the store is down."""
    from clinical_ner.serving import store

    try:
        yield
    except store.StoreDownError as error:
        raise UserError(
            f"the store cannot be reached, read or written ({error})",
            "see that it runs and may be written, and 'clinical-ner store migrate' has made its tables",
        ) from None
