"""What happens once, before any worker starts: a service that cannot work says so and ends."""

from __future__ import annotations

import sys

from clinical_ner.core.errors import EXIT_CODE, UserError
from clinical_ner.serving import access, logs
from clinical_ner.serving.logs import logger
from clinical_ner.serving.settings import Settings


def prepare(settings: Settings) -> None:
    """Check the keys and the store's URL, and bring its tables up to date; exits 2 with a plain message.

    A store that is down stops nothing: predictions wait for it, and feedback is refused meanwhile.
    """
    logs.configure(settings.log_level)
    try:
        access.gate(settings)
        _check_store(settings)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_CODE)
    if settings.local:
        logger.warning("no API keys are needed, as CLINICAL_NER_LOCAL says: only clients on this machine are answered")


def _check_store(settings: Settings) -> None:
    from clinical_ner.serving import store

    store.Store.open(settings.store).close()
    if settings.store_migrate:
        try:
            store.migrate(settings.store)
        except store.StoreDownError as error:
            logger.warning("the store cannot be brought up to date now (%s): 'clinical-ner store migrate' can", error)
