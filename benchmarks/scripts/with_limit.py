"""Runs a command whose address space is limited, as by ``ulimit -v``.

python -m benchmarks.scripts.with_limit MB COMMAND ...
"""

from __future__ import annotations

import os
import resource
import sys


def main(megabytes: str, *command: str) -> None:
    limit = int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
