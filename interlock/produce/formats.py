"""Which reader a file needs."""

from pathlib import Path

from interlock.produce.csv_rows import CsvRows
from interlock.produce.json_rows import JsonRows
from interlock.produce.layout import Layout
from interlock.produce.parquet_rows import ParquetRows
from interlock.produce.rows import Rows


def open_rows(path: Path, layout: Layout) -> Rows:
    """Raises InterlockError for what cannot be read at all."""
    layout.check()
    match layout.format_of(path):
        case "csv":
            return CsvRows(path, layout)
        case "jsonl":
            return JsonRows(path, layout)
        case _:
            return ParquetRows(path)
