"""Predictions in figures, and feedback.

Revision: 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.Uuid, primary_key=True),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.String(12), nullable=False),
        sa.Column("key_id", sa.String(64), comment="whose key it was; null: local use"),
        sa.Column("milliseconds", sa.Float, nullable=False, comment="to read the note"),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("tokens_per_sentence", sa.Float, nullable=False),
        sa.Column("diseases_per_100_tokens", sa.Float, nullable=False),
        sa.Column("treatments_per_100_tokens", sa.Float, nullable=False),
        sa.Column("out_of_vocabulary_rate", sa.Float, nullable=False),
        sa.Column("mean_confidence", sa.Float, nullable=False),
        sa.Column("unsure_token_rate", sa.Float, nullable=False),
        sa.Column("diseases", sa.Integer, nullable=False),
        sa.Column("treatments", sa.Integer, nullable=False),
        sa.Column("assertions", sa.JSON, nullable=False, comment="entities by assertion"),
        sa.Column("sections", sa.JSON, nullable=False, comment="entities by section; those under no heading: none"),
    )
    op.create_index("predictions_created_at", "predictions", ["created_at"])
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Uuid, primary_key=True),
        sa.Column("prediction_id", sa.Uuid, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(64), comment="whose key it was; null: local use"),
        sa.Column("rating", sa.SmallInteger, comment="1 to 5; null: not rated"),
        sa.Column("spans", sa.JSON, comment="all entities of the note; null: not judged"),
        sa.Column("text", sa.Text, comment="the note, only where the user sent it"),
    )
    op.create_index("feedback_created_at", "feedback", ["created_at"])
    op.create_index("feedback_prediction_id", "feedback", ["prediction_id"])


def downgrade() -> None:
    """Drop both tables, and what is in them."""
    op.drop_table("feedback")
    op.drop_table("predictions")
