"""A reviewer tool that knows Interlock by its contracts alone: Kafka, Avro and docs/reviewer-tools.md.

    interlock schemas export contracts
    python -m plain_python client.properties contracts tasks
    python -m plain_python client.properties contracts review --as ann

`client.properties` has properties of librdkafka, one `name=value` a line: bootstrap.servers and, where Kafka asks for
it, security.protocol, sasl.mechanism, sasl.username, sasl.password.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import KafkaException

from .contracts import Contracts, Record
from .desk import Desk, RefusedError


def main() -> int:
    arguments = _arguments()
    try:
        with Desk(_properties(arguments.properties), Contracts(arguments.contracts), arguments.person) as desk:
            if arguments.command == "tasks":
                _list(desk)
            elif arguments.command == "off-duty":
                print(desk.ask("off_duty")["message"])
            else:
                _review(desk, arguments)
    except RefusedError as refused:
        print(f"refused: {visible(str(refused))} [{refused.code}]", file=sys.stderr)
        return 1
    except KafkaException as error:
        print(f"Kafka: {error.args[0].str()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _list(desk: Desk) -> None:
    """The open tasks, the next deadline first."""
    for task in sorted(desk.tasks().values(), key=lambda task: (task["deadline"], task["task_id"])):
        if task["state"] != "done":
            holder = task["lease_holder"] or task["assigned_to"]
            what = (task["task_id"], task["queue"], task["priority"], f"due {_moment(task['deadline'])}", task["state"])
            print(visible("  ".join((*what, holder)).rstrip()))


def _review(desk: Desk, arguments: argparse.Namespace) -> None:
    print(desk.ask("on_duty")["message"])
    claimed = desk.ask("claim", task_id=arguments.task)
    held = {"task_id": claimed["task_id"], "epoch": claimed["epoch"]}
    task = desk.leased(claimed)
    try:
        routed = desk.payload(task)
    except RefusedError:
        desk.ask("release", **held)  # somebody else may have the means to see it
        raise
    _show(task, routed)
    question = "choose? " if task["blind"] else "approve, reject, modify or choose? "
    verdict = arguments.verdict or input(question).strip()
    outcome = arguments.outcome
    if outcome is None:
        outcome = "" if verdict == "approve" else input("outcome? ").strip()
    reason_code = arguments.reason or input("reason code (agree, other, or one of the policy's)? ").strip()
    reason_text = arguments.text or input("reason in your own words? ").strip()
    lease = desk.ask("extend", **held)  # the person took time
    print(f"held until {_moment(lease['lease_until'])}")
    reply = desk.ask(
        "submit",
        **held,
        payload_hash=task["payload_hash"],
        verdict=verdict,
        outcome=outcome,
        reason_code=reason_code,
        reason_text=reason_text,
        attestations=task["routed_attestations"] if arguments.attest else [],
    )
    print(f"{reply['code']}: {visible(reply['message'])}")


def _show(task: Record, routed: Record) -> None:
    """The case as this person may see it. Not where it stands: an old place would tell that a case was planted."""
    decision = routed["decision"]
    lines = [
        ("task", task["task_id"]),
        ("domain", task["domain"]),
        ("decided", _moment(decision["created_at"])),
        ("due", _moment(task["deadline"])),
        ("held until", _moment(task["lease_until"])),
        ("amount", "" if decision["amount"] is None else f"{decision['amount']:g}"),
        ("facts", ", ".join(f"{name} = {value}" for name, value in sorted(decision["attributes"].items()))),
        ("input", decision["input"]),
        ("outcomes", ", ".join(task["options"] or task["routed_outcomes"])),
        ("declare", "; ".join(task["routed_attestations"])),
        ("statement", task["statement"]),
    ]
    if task["blind"] or task["route"] == "manual":
        lines.append(("the model", "is not shown before the verdict"))
    else:
        lines.append(("the model", f"{task['prediction']}, sure to {task['confidence']:.0%}"))
        if not task["arm"]:  # in an experiment with what people rely on, its reasons could give it away
            lines += [("because", decision["explanation"]["reasoning"]), ("asked", ", ".join(task["reasons"]))]
    for name, text in lines:
        if text:
            print(f"{name:>10}  {visible(text)}")


def visible(text: str) -> str:
    """A producer's text with control characters and marks of writing direction as escapes."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _moment(micros: int) -> str:
    try:
        return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{micros} microseconds after 1970"


def _properties(path: Path) -> dict[str, str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("plain_python", description="Lists tasks and reviews them.")
    parser.add_argument("properties", type=Path, help="properties of librdkafka, one name=value a line")
    parser.add_argument("contracts", type=Path, help="what `interlock schemas export` has written")
    parser.add_argument("command", choices=("tasks", "review", "off-duty"))
    parser.add_argument("--as", dest="person", default="", metavar="REVIEWER", help="who you are")
    parser.add_argument("--task", default="", help="this task, and not the one that is next")
    parser.add_argument("--verdict", help="approve, reject, modify or choose; asked for if it is missing")
    parser.add_argument("--outcome", help="of all but approve; may be empty where only one other is possible")
    parser.add_argument("--reason", help="one of the policy's reason codes")
    parser.add_argument("--text", help="the reason in your own words")
    parser.add_argument("--attest", action="store_true", help="declare what the task wants declared")
    arguments = parser.parse_args()
    if arguments.command != "tasks" and not arguments.person:
        parser.error("who are you? --as REVIEWER")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
