"""What a docstring in NumPy's form says of parameters."""

import re


def explanations(doc: str) -> dict[str, str]:
    """Return what a docstring in NumPy's form says of each parameter: its type, and the first paragraph."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n?\S[^\n]*\n-{3,}\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^(\w+) : (.*?)(?=^\w+ : |\Z)", section.group(1), re.DOTALL | re.MULTILINE)
    return {name: _one_line(text) for name, text in entries}


def _one_line(text: str) -> str:
    kind, _, body = text.partition("\n\n") if re.match(r"[^\n]*\\\n", text) else text.partition("\n")
    first = re.split(r"\n\s*\n|\n\s*\.\. ", body.strip("\n"), maxsplit=1)[0]
    return " ".join(f"{kind.strip()}. {first}".split())
