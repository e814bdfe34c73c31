"""Alembic runs this file; `store.migrate` gives it the connection."""

from __future__ import annotations

from alembic import context

from clinical_ner.serving.store import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
