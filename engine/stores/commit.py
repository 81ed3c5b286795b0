"""The one way in which a file comes into the store: written aside, made durable, then given its name.

    write to tmp/  ->  fsync  ->  digest  ->  rename to its final name  ->  fsync the folder

Only then is it told to the catalog, which makes it visible. A file's name holds its digest, so two writers of the same
content write the same file, two of different content never collide, and a late finisher can spoil nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from engine import digest
from engine.errors import HostError
from engine.stores import files

NAME_LENGTH = 20
"""How many digits of its digest a file has in its name."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Something that the store keeps: path relative to the root, digest of its content, size in bytes."""

    path: str
    digest: str
    bytes: int


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give a temporary folder on the store's own disk, removed at the end.

    A full or failing disk raises ``HostError``; other errors pass.
    """
    folder = root / "tmp" / uuid4().hex
    try:
        files.make(folder)
        yield folder
    except OSError as error:
        source_is_gone = isinstance(error, FileNotFoundError) and folder.is_dir()
        if source_is_gone or not _from_the_machine(error):
            raise
        hint = "free some space, then run again" if "No space" in str(error) else ""
        raise HostError(f"cannot write below {root}: {error.strerror or error}", hint=hint) from error
    finally:
        files.remove_folder(folder)


def commit_file(root: Path, place: str, stem: str, suffix: str, fill: Callable[[Path], object]) -> StoredFile:
    """Let ``fill`` make a temporary file, make it durable and move it to ``place/stem-<digest><suffix>``.

    Whatever ``fill`` raises is passed on and leaves nothing behind. A full or failing disk raises ``HostError`` that
    names the store. Safe to call from any thread or process, also twice for the same content.
    """
    with scratch(root) as folder:
        temporary = folder / f"new{suffix}"
        files.write(temporary, fill)
        return keep_file(root, place, stem, temporary)


def keep_file(root: Path, place: str, stem: str, temporary: Path) -> StoredFile:
    """Make a file of a scratch folder durable and move it to ``place/stem-<digest>``, its suffix kept."""
    files.reached("file.written")
    files.sync(temporary)
    files.reached("file.synced")
    content = digest.of_file(temporary)
    size = temporary.stat().st_size
    final = root / place / f"{stem}-{content[:NAME_LENGTH]}{temporary.suffix}"
    files.make_folder(final.parent, root)
    files.rename(temporary, final)
    files.reached("file.renamed")
    files.sync(final.parent)
    files.reached("file.kept")
    return StoredFile(final.relative_to(root).as_posix(), content, size)


def _from_the_machine(error: OSError) -> bool:
    """Tell a disk that fails from a source that cannot be read: Polars raises OSError without a number for the latter."""
    return error.errno is not None or "os error" in str(error)
