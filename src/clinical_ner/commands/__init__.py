"""The commands by topic: thin, over all layers; `cli.py` registers them."""
