"""A file of SQL cut into statements."""

import re

# What a semicolon inside means nothing in: comments, strings (doubled quotes and backslash escapes), quoted names.
_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` )
    | (?P<end> ; )
    | (?P<open> ['"`] | /\* )
    | (?P<other> [^;'"`/-]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def statements(text: str) -> list[str]:
    """The statements of `text` without comments, in order. Raises ValueError where a quote or comment stays open."""
    pieces: list[str] = []
    current: list[str] = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "open":
            line = text.count("\n", 0, token.start()) + 1
            raise ValueError(f"line {line}: {token.group()} is opened and never closed")
        if token.lastgroup == "end":
            pieces.append("".join(current).strip())
            current = []
        else:
            # A comment separates words as a space does.
            current.append(" " if token.lastgroup == "comment" else token.group())
    pieces.append("".join(current).strip())
    return [statement for statement in pieces if statement]
