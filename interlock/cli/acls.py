"""`interlock acls`: what each role may do in Kafka."""

from typing import Annotated

import typer

from interlock.cli.common import DataDir, Json, errors, print_json
from interlock.platform import connection


def acls(
    data_dir: DataDir = None,
    role: Annotated[list[str] | None, typer.Option(help="Only these roles; may be repeated.")] = None,
    principal_prefix: Annotated[
        str, typer.Option(metavar="TYPE:PREFIX", help="Who the roles are: this, followed by the name of the role.")
    ] = "User:interlock-",
    principal: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=TYPE:NAME", help="Who one role is, instead; may be repeated."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Create them in Kafka instead of printing commands.")] = False,
    json: Json = False,
) -> None:
    """Print the access control lists (ACLs) that each role needs in Kafka, as commands of Kafka's own tool.

    They allow what a role does and nothing else. Existing ACLs stay as they are. docs/trust.md says what each right is
    worth to whoever has it.

    Examples:

        interlock acls --principal-prefix User:acme-
        interlock acls --role router --role desk --principal desk=User:CN=desk
        interlock acls --apply
    """
    from dataclasses import asdict

    from interlock.errors import UsageError
    from interlock.operations import acls as lists
    from interlock.operations.granting import grant

    platform = connection.connect(data_dir)
    known = lists.roles(platform.settings)
    given: dict[str, str] = {}
    for text in principal or ():
        name, _, given[name] = text.partition("=")
        if ":" not in given[name]:
            raise UsageError(f"--principal {text}: write it as ROLE=User:NAME")
    if ":" not in principal_prefix:
        raise UsageError(f"--principal-prefix {principal_prefix}: write it as User:PREFIX")
    who_is = lists.principals(known, given, principal_prefix)
    lists.principals(known, dict.fromkeys(role or (), ""))
    chosen = [one for one in known if not role or one.name in role]
    found = [acl for one in chosen for acl in lists.acls(one, who_is[one.name])]
    address = platform.settings.kafka.bootstrap_servers
    if platform.instance is not None and address is None:
        address = platform.instance.bootstrap_servers
    if apply:
        grant(platform.admin(), found)
    if json:
        print_json([asdict(acl) for acl in found])
    elif apply:
        errors.print(f"{len(found)} access control lists of {len(chosen)} roles are in force")
    else:
        for one in chosen:
            print(f"# {one.name}: {one.does}")
            for line in lists.commands(lists.acls(one, who_is[one.name]), address):
                print(line)
