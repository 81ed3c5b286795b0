"""The functions that run on workers, one file a stage: each takes a ``Work`` and returns an ``Artifact``.

Empty on purpose: a module's code digest includes its packages, and one stage must not depend on another's code.
"""
