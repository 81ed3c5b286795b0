"""What a disk may hold after the power failed: every state that the rules of POSIX allow, given what was synced by then.

The contents of a file that was not synced are there, or only the beginning, or nothing. A name that was made, changed or
removed since its folder was synced is there or not, each for itself. SQLite itself is trusted: the catalog is as it was
after its last commit.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHAPES = ("nothing", "empty", "cut", "whole", "any", "any", "any", "any")
"""What becomes of what was not synced: no name of it, names of empty or cut files, all of it, or of each something else."""


@dataclass
class _Inode:
    blob: str = ""
    synced: bool = False
    folder: bool = False


@dataclass
class Disk:
    """A file system that remembers what is durable; paths are relative to the folder of the store's root."""

    names: dict[str, _Inode] = field(default_factory=dict)
    durable: dict[str, _Inode] = field(default_factory=dict)
    pending: dict[str, list[tuple[str, _Inode | None]]] = field(default_factory=dict)
    catalog: str = ""
    acknowledged: set[str] = field(default_factory=set)

    def apply(self, op: dict[str, Any]) -> None:
        """Take note of one recorded operation."""
        path = op["path"]
        match op["op"]:
            case "make":
                self._name(path, _Inode(folder=True))
            case "write":
                inode = self.names.get(path)
                if inode is None:
                    self._name(path, inode := _Inode())
                inode.blob, inode.synced = op["blob"], False
            case "sync":
                self._sync(path, folder=op["folder"])
            case "rename":
                inode = self.names[path]
                self._name(path, None)
                self._name(op["new"], inode)
            case "remove" | "remove_folder":
                for name in [name for name in self.names if name == path or name.startswith(f"{path}/")]:
                    self._name(name, None)
            case "commit":
                self.catalog = op["blob"]
            case "ack":
                self.acknowledged.add(op["id"])

    def _sync(self, path: str, *, folder: bool) -> None:
        if not folder:
            self.names[path].synced = True
            return
        for name, inode in self.pending.pop("" if path == "." else path, []):
            _set(self.durable, name, inode)

    def _name(self, name: str, inode: _Inode | None) -> None:
        _set(self.names, name, inode)
        self.pending.setdefault(name.rpartition("/")[0], []).append((name, inode))

    def after_power_loss(self, shape: str, dice: random.Random) -> dict[str, tuple[_Inode, str]]:
        """Return the files of one state that is allowed, each with how much of it is there."""
        names = dict(self.durable)
        for changes in self.pending.values():
            for name, inode in changes:
                if shape in ("empty", "cut", "whole") or (shape == "any" and dice.random() < 0.5):
                    _set(names, name, inode)
        found = {}
        for name, inode in names.items():
            above = name.split("/")[:-1]
            if not inode.folder and all("/".join(above[: depth + 1]) in names for depth in range(len(above))):
                unsynced = dice.choice(("empty", "cut", "whole")) if shape == "any" else shape
                found[name] = (inode, "whole" if inode.synced else unsynced)
        return found

    def has_root(self, name: str, shape: str, dice: random.Random) -> bool:
        """Say whether the folder of the store itself is there."""
        return name in self.durable or shape in ("empty", "cut", "whole") or (shape == "any" and dice.random() < 0.5)


def _set(names: dict[str, _Inode], name: str, inode: _Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def states(recorded: Path, shapes: Sequence[str]) -> Iterator[tuple[int, str, Disk]]:
    """Yield the disk after each operation, once for each shape that it is to be given."""
    disk = Disk()
    for number, line in enumerate((recorded / "log").read_text().splitlines()):
        disk.apply(json.loads(line))
        if disk.catalog:
            for shape in shapes:
                yield number, shape, disk


def build(disk: Disk, shape: str, dice: random.Random, recorded: Path, root: Path, recorded_root: str = "store") -> None:
    """Make the folder of a store as one state has it."""
    shutil.rmtree(root, ignore_errors=True)
    if not disk.has_root(recorded_root, shape, dice):
        return
    root.mkdir()
    shutil.copyfile(recorded / "blobs" / disk.catalog, root / "catalog.sqlite")
    for name, (inode, amount) in disk.after_power_loss(shape, dice).items():
        file = root / Path(name).relative_to(recorded_root)
        file.parent.mkdir(parents=True, exist_ok=True)
        blob = recorded / "blobs" / inode.blob
        if amount == "whole":
            os.link(blob, file)
        elif amount != "nothing":
            content = blob.read_bytes()
            file.write_bytes(b"" if amount == "empty" else content[: dice.randrange(len(content) + 1)])
