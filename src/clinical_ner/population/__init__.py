"""Who the patients are: people, conditions and treatments, in concepts."""
