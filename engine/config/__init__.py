"""From YAML to a frozen specification: ``compose`` asks Hydra, ``safety`` refuses, ``spec`` validates, ``locate`` finds."""
