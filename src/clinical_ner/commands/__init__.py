"""The commands that join several layers, one module a topic; `cli.py` registers them."""
