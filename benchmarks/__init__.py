"""The measured claims: each work of Levada's beside the best alternative, in turn, in one run. `python -m benchmarks`."""
