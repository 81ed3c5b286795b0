"""A process that forks children cheaply, and dice whose seed is said when a test fails."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.durability.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where children are made; one for each of pytest's own processes."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def dice() -> random.Random:
    """Dice of a fresh seed, or of LEVADA_SEED; pytest shows what is printed when the test fails."""
    seed = int(os.environ.get("LEVADA_SEED") or random.SystemRandom().randrange(10**9))
    print(f"to throw the same dice again: LEVADA_SEED={seed}")
    return random.Random(seed)
