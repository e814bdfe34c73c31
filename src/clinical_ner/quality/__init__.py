"""Whether the population is believable: against published figures and real people, for learning and for privacy."""
