"""The commands of `clinical-ner` that work on the repository and what runs beside it, a module a topic."""
