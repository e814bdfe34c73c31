"""Commands of `clinical-ner` with a subject of their own; `cli.py` registers them."""
