"""Reads rows that somebody hands in as a file, the way a bundle's own source is read.

In: a file and a manifest. Out: a frame with the columns of the file. Only readers of files are used, whatever a manifest says.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from engine.bundles import Manifest
from engine.errors import ConfigError, DataError
from engine.plugin import Extractor
from engine.registry import build
from engine.schemas import schema_of
from engine.stages.work import explained

_READERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".xlsx": "excel",
}
_OWN = frozenset(_READERS.values())


def read_rows(file: str, manifest: Manifest) -> pl.DataFrame:
    """Return the rows of a file. A source of the same kind says how: what stands for nothing, the separator, declared types.

    Columns that were text in training are read as text from a CSV file, so that ``007`` stays what it is. Raises
    ``ConfigError`` for a kind of file that nothing reads, ``DataError`` for rows that can not be read.
    """
    path = Path(file)
    suffix = next((one for one in reversed(path.suffixes) if one in _READERS), None)
    if suffix is None:
        raise ConfigError(f"no way to read {file}", expected="a name that ends in " + ", ".join(_READERS))
    if not path.is_file():
        raise DataError(f"there is no file {file}")
    use = _READERS[suffix]
    own = manifest.extract if manifest.extract.get("use") == use and use in _OWN else {}
    node = {**own, "use": use, "path": _literal(file)}
    if use == "csv":
        node["dtypes"] = _declared(file, node, manifest)
        if suffix == ".tsv" and not own:
            node["separator"] = "\t"
    extractor = build("extractor", node)
    assert isinstance(extractor, Extractor)  # the registry gives no other for this kind
    with explained(f"cannot read {file}"):
        (partition,) = extractor.plan().partitions
        rows = extractor.read(partition, thorough=True).collect()
        if not extractor.is_complete(partition, rows.lazy()):
            raise DataError(
                f"{file} has rows that can not be read", hint="`levada ingest` would say which; mend or remove them"
            )
    return rows


def _declared(file: str, node: dict[str, object], manifest: Manifest) -> dict[str, str]:
    """Return the types to declare: the source's own and text, for columns that the file has."""
    probe = build("extractor", {**node, "dtypes": {}})
    assert isinstance(probe, Extractor)  # the registry gives no other for this kind
    with explained(f"cannot read {file}"):
        columns = probe.plan().columns or ()
    texts = {name: "String" for name, dtype in schema_of(manifest.columns).items() if dtype == pl.String}
    own = manifest.extract.get("dtypes", {}) if manifest.extract.get("use") == "csv" else {}
    return {name: dtype for name, dtype in {**texts, **own}.items() if name in columns}


def _literal(file: str) -> str:
    """Return a path as a pattern that means nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in file)
