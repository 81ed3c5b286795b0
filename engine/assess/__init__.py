"""The condition of data: summaries that merge, what they tell, and the YAML that would settle it.

A task a partition makes a summary (``engine.stages.assess``), merges join those of a batch and of all (``merge_assessed``);
``examine`` reads one, ``drift`` compares those of batches, ``propose`` writes YAML.
Holds no code: the digest of a stage counts its packages.
"""
