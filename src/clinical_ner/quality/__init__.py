"""Whether the population is believable: against published figures, real people, and for learning and privacy."""
