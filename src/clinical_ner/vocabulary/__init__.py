"""The terms of medicine and their codes, built from released packages."""
