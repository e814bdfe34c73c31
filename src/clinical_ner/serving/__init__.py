"""Handing it out: the REST contract and the BentoML service."""
