"""Whole programs that benchmarks time from outside, each in a process of its own."""
