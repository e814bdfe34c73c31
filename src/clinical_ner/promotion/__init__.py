"""Only a better model goes out: compare, decide, register, take back, fetch."""
