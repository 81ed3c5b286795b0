"""Names of the columns that a step makes."""

from engine.errors import DataError


def require_new(names: list[str], taken: list[str], *, hint: str) -> None:
    """Raise ``DataError`` if a step would make a column that is there already: it would be lost without a word."""
    for name in names:
        if name in taken:
            raise DataError(f"there is already a column '{name}'", expected="a name that is free", hint=hint)
