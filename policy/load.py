"""Loading a policy file: the YAML is read, packs are written out, and every problem is named with its line."""

from pathlib import Path

from pydantic import ValidationError

from interlock.policy.errors import Diagnostic, PolicyError
from interlock.policy.model import Pack, Policy
from interlock.policy.notices.texts import written_out
from interlock.policy.regulation import pack, pack_names
from interlock.policy.semantics import semantic_problems
from interlock.policy.source_map import Document
from interlock.policy.syntax import near, shown, syntax_problems


def load(path: Path) -> Policy:
    """The policy in a file; raises PolicyError with every problem, also if it cannot be read."""
    return parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a policy file; raises PolicyError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError([Diagnostic(str(path), 0, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise PolicyError([Diagnostic(str(path), line, "", "is not UTF-8 text")]) from error


def parse(text: str, source: str) -> Policy:
    """The policy in `text`; `source` is what problems call the file. Raises PolicyError with every problem."""
    document = Document(text, source)
    packs, problems = _packs(document)
    policy = None
    try:
        written = Policy.model_validate({**document.data, "packs": ()})
        policy = written.model_copy(update={"packs": packs, "notices": written_out(written.notices)})
    except ValidationError as error:
        problems += syntax_problems(document, error)
    problems += semantic_problems(document, packs)
    if problems or policy is None:
        raise PolicyError(problems)
    return policy


def _packs(document: Document) -> tuple[tuple[Pack, ...], list[Diagnostic]]:
    named = document.data.get("packs", [])
    if not isinstance(named, list):
        return (), [document.problem(("packs",), "write a list of pack names", f"known: {', '.join(pack_names())}")]
    packs: dict[str, Pack] = {}
    problems = []
    for index, name in enumerate(named):
        if name not in pack_names():
            problems.append(
                document.problem(("packs", index), f"unknown pack {shown(name)}", near(shown(name), pack_names()))
            )
        elif name in packs:
            problems.append(document.problem(("packs", index), f"{shown(name)} appears twice", "remove one"))
        else:
            packs[name] = pack(name)
    return tuple(packs.values()), problems
