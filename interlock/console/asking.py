"""Questions to ClickHouse from pages: an answer, or why there is none, so that a page shows what it can."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.api.backend import Backend
from interlock.errors import InterlockError
from interlock.sinks.questions import ask


@dataclass(frozen=True)
class Asked:
    """`rows` by column name; `problem`: why ClickHouse gave none. `sql`, `rows_address`: pages behind the numbers."""

    name: str
    rows: list[dict[str, Any]]
    problem: str
    sql: str
    rows_address: str

    @property
    def row(self) -> dict[str, Any]:
        """The only row; empty where there is none."""
        return self.rows[0] if self.rows else {}


def asked(backend: Backend, name: str, **parameters: Any) -> Asked:
    """The answer to a question of `interlock/sinks/questions`."""
    address = f"/answers/{name}" + (f"?{urlencode(parameters)}" if parameters else "")
    try:
        with backend.clickhouse() as client:
            answer = ask(client, name, **parameters)
    except (ClickHouseError, InterlockError, OSError) as error:
        return Asked(name, [], str(error).strip().splitlines()[0], f"{address}#sql", address)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    return Asked(name, rows, "", f"{address}#sql", address)
