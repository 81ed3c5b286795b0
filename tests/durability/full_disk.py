"""Fills a small disk of its own with ingestions until it is full, then gives it more room: run in a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.cli import run
from tests.durability.harbour import Harbour


def main(folder: Path) -> None:
    """Print ``whole`` if all went as it should."""
    harbour = Harbour.create(folder)
    harbour.root.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=800k", "none", str(harbour.root)), check=True)
    os.chdir(folder)
    command, codes = ["ingest", "pipeline=harbour"], list[int]()
    for number in range(10, 200):
        codes.append(run(command))
        if codes[-1]:
            break
        harbour.add("trips", number)
    assert (codes[0], codes[-1]) == (0, 4), codes
    subprocess.run(("mount", "-o", "remount,size=50m", str(harbour.root)), check=True)
    assert harbour.problems() == []
    assert len(harbour.batches()) >= len(codes)
    assert run(command) == 0
    assert harbour.incomplete() == []
    print("whole")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
