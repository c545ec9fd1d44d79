"""What happens to the processes of a crash test, and when: a schedule that follows from a seed."""

import random
from dataclasses import dataclass
from itertools import cycle, islice

KILLED = ("kafka", "router", "sink", "clickhouse", "desk", "router-2", "desk-2")

# A process that has not been heard of for longer than its group's session (6 to 10 s) finds another in its place.
FREEZE_SECONDS = (2.0, 12.0)


@dataclass(frozen=True)
class Fault:
    """Kills `killed`, one right after the other; or stops `frozen` for `seconds` and lets it go on."""

    killed: tuple[str, ...] = ()
    frozen: str = ""
    seconds: float = 0.0


def schedule(kills: int, seed: int) -> list[Fault]:
    """Faults with `kills` kills in all: single ones of every role in turn, pairs, a broker that dies while another
    process takes over, and processes that stand still in between."""
    rng = random.Random(seed)
    faults: list[Fault] = []
    roles = cycle(rng.sample(KILLED, len(KILLED)))
    left = kills
    for number in range(10 * kills):
        if left <= 0:
            break
        kind = number % 5
        if kind == 1 and left >= 2:
            faults.append(Fault(killed=tuple(rng.sample(KILLED, 2))))
        elif kind == 3 and left >= 2:
            # The successor is just about to read the committed offsets.
            faults.append(Fault(killed=(rng.choice(("router", "desk")), "kafka")))
        elif kind == 4:
            frozen = rng.choice([role for role in KILLED if role != "clickhouse"])
            faults.append(Fault(frozen=frozen, seconds=rng.uniform(*FREEZE_SECONDS)))
        else:
            faults.append(Fault(killed=tuple(islice(roles, 1))))
        left -= len(faults[-1].killed)
    return faults
