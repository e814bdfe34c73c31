"""Whether the population is believable: against published figures, against real people, and for learning and privacy."""
