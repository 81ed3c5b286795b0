"""Dice whose seed is said when a test fails."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def dice() -> random.Random:
    """Dice of a fresh seed, or of LEVADA_SEED; pytest shows what is printed when the test fails."""
    seed = int(os.environ.get("LEVADA_SEED") or random.SystemRandom().randrange(10**9))
    print(f"to throw the same dice again: LEVADA_SEED={seed}")
    return random.Random(seed)
