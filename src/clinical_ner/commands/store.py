"""What commands over the service's store share: its option, how it is opened, and what is said where it is down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from clinical_ner.core.errors import UserError

if TYPE_CHECKING:
    from clinical_ner.serving.store import Store

StoreUrl = Annotated[str, typer.Option("--store", envvar="CLINICAL_NER_STORE", help="SQLAlchemy's URL.")]
STORE = "sqlite:///clinical-ner.sqlite"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before anything was stored


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """The store at this URL, closed on leaving.

    Raises:
        UserError: it is not there, or down.
    """
    from clinical_ner.serving import store

    store.require_file(url)
    with reached(), closing(store.Store.open(url)) as found:
        yield found


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
