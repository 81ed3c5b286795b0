"""Bugs."""
PLANTED = {}
