"""The configuration that comes with Levada; Hydra finds it as ``pkg://conf``."""
