"""From what readers corrected to notes to learn from: exported, compared, resolved, accepted."""
