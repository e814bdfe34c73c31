"""More figures of each note, where its entities are, and the runs of monitoring.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

FIGURES = (
    *("lines_per_100_tokens", "broken_per_1000_characters", "entity_confidence", "capital_rate", "number_rate"),
    *("punctuation_rate", "function_word_rate", "non_ascii_rate", "empty_rate"),
)
MIXES = {
    "concepts": "entities by the group of their concept",
    "ages": "the patient's age group: 1",
    "sexes": "the patient's sex, as the note's words have it: 1",
    "spans": "start, end and label of each entity: no text",
}


def upgrade() -> None:
    """Add columns to the predictions, empty in the rows that are there, and the table of runs."""
    for name in FIGURES:
        op.add_column("predictions", sa.Column(name, sa.Float))
    for name, comment in MIXES.items():
        op.add_column("predictions", sa.Column(name, sa.JSON, comment=comment))
    op.create_table(
        "monitoring_runs",
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notes", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column(
            *("distance", sa.Float),
            nullable=False,
            comment="of the furthest figure, in its thresholds: alert from 1 on",
        ),
        sa.Column("separation", sa.Float, nullable=False, comment="the AUC of telling the window from the reference"),
        sa.Column("mean_confidence", sa.Float, nullable=False),
        sa.Column("judged", sa.Integer, nullable=False, comment="notes with corrections"),
        sa.Column("agreement", sa.Float, comment="strict F1 against the corrections; null: too few are judged"),
        sa.Column("report", sa.JSON, nullable=False, comment="monitor.json"),
    )
    op.create_index("monitoring_runs_created_at", "monitoring_runs", ["created_at"])


def downgrade() -> None:
    """Drop the table and the columns, and what is in them."""
    op.drop_table("monitoring_runs")
    for name in (*MIXES, *FIGURES):
        op.drop_column("predictions", name)
