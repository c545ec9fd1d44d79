"""How a file is written: its format, and what its text, numbers and times mean."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from interlock.errors import UsageError
from interlock.policy.syntax import near
from interlock.policy.working_hours import time_zones

FORMATS = ("csv", "jsonl", "parquet")

_FORMAT_OF_ENDING = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",  # what Excel writes as "Unicode Text"
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")

# What people try to send first, and what to do with it.
_ADVICE = {
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".ods"), 'a workbook: save the sheet as "CSV UTF-8", then send the .csv file'
    ),
    ".json": "send one object a line, as .jsonl: jq -c '.[]' makes lines of an array",
    ".zip": "unpack it first",
}

STDIN = Path("-")


@dataclass(frozen=True)
class Layout:
    """`format`: None for what the ending says. `delimiter`: None for that of the first line. `encoding`: None for what
    a byte order mark says, else UTF-8. `decimal`: what separates decimals in texts. `timezone`: of times that name
    none."""

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str = "."
    timezone: str = "UTC"

    @property
    def zone(self) -> tzinfo:
        """Raises UsageError for a zone that nobody knows."""
        if self.timezone == "UTC":
            return UTC
        if self.timezone not in time_zones():
            advice = near(self.timezone, sorted(time_zones()), "write a name such as Europe/Berlin")
            raise UsageError(f"unknown time zone {self.timezone!r}; {advice}")
        return ZoneInfo(self.timezone)

    def check(self) -> None:
        """Raises UsageError for a value that no file can have."""
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(f"format {self.format!r}: write one of {', '.join(FORMATS)}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"delimiter {self.delimiter!r}: write one character, or \\t for a tab")
        if self.decimal not in (".", ","):
            raise UsageError(f"decimal {self.decimal!r}: write . or ,")
        _ = self.zone

    def format_of(self, path: Path) -> str:
        """Raises UsageError where neither the layout nor the file's ending says it."""
        if self.format is not None:
            return self.format
        if path == STDIN:
            raise UsageError(f"standard input has no ending: say --format, one of {', '.join(FORMATS)}")
        ending = inner_ending(path)
        found = _FORMAT_OF_ENDING.get(ending)
        if found is None:
            known = f"known endings: {', '.join(_FORMAT_OF_ENDING)}, each also with {', '.join(COMPRESSIONS)}"
            raise UsageError(f"{path}: {_ADVICE.get(ending, 'cannot tell what this is')}; {known}; or say --format")
        return found


def inner_ending(path: Path) -> str:
    """The ending below that of a compression: `.csv` of `a.csv.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix
