"""Levada's launcher for Hydra."""
