"""`interlock review recall`: what a model has done by itself comes to people."""

from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, note, print_json, progress_bar
from interlock.cli.review_options import As, Because, open_session
from interlock.errors import UsageError


def recall(
    scope: Annotated[str, typer.Argument(help="As given to halt: all, domain:NAME, model:ID or model:ID@VERSION.")],
    because: Because = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say how many and which.")] = False,
    me: As = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """As a lead, send to people what took effect by itself in a scope and can still be rolled back.

    Such as what a halted model has done. Their verdicts roll back what they do not confirm, and nothing becomes final
    because nobody has looked. Without --yes the decisions are only listed. May be repeated.

    Examples:

        interlock review recall model:credit-scorer@7 --as lee

        interlock review recall model:credit-scorer@7 -m "halted: it drifts" --yes --as lee
    """
    from interlock.review.recalling import Recallable, recallable
    from interlock.review.recalling import recall as recall_all

    if yes and not because.strip():
        raise UsageError("say why with --because: whoever judges the decisions reads it")
    with open_session(data_dir, me) as session:
        candidates = filter(None, map(Recallable.of, session.board.tasks.values()))
        found = [decision.task_id for decision in recallable(candidates, scope, session.now())]
        if not yes:
            if json:
                print_json({"decisions": found, "recalled": 0})
                return
            for decision_id in found:
                note(decision_id)
            what = "1 decision; --yes sends it" if len(found) == 1 else f"{len(found):,} decisions; --yes sends them"
            errors.print(f"{what} to people")
            return
        with progress_bar() as bar:
            task = bar.add_task("recalled", total=len(found))
            codes = recall_all(session.desk, found, because, lambda: bar.advance(task))
    if json:
        print_json({"decisions": found, "recalled": codes["ok"], "codes": dict(codes)})
        return
    others = ", ".join(f"{code}: {count:,}" for code, count in sorted(codes.items()) if code != "ok")
    errors.print(f"{codes['ok']:,} of {len(found):,} decisions wait for people" + (f" ({others})" if others else ""))
