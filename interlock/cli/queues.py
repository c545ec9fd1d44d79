"""`interlock queues`: what waits, how long, and what is late."""

from dataclasses import asdict

from interlock.cli.common import DataDir, Json, console, errors, print_json
from interlock.cli.halts import show_halts
from interlock.platform import connection
from interlock.platform.printing import visible

# With its counts beside it, a bar of this width fits a terminal of 80 columns.
_BAR_WIDTH = 16

_COLOURS = {"critical": "red", "high": "yellow", "medium": "cyan", "low": "blue"}


def queues(data_dir: DataDir = None, json: Json = False) -> None:
    """Show every queue: what waits, is held and is overdue, the oldest task, and the priorities.

    Examples:

        interlock queues

        interlock queues --json
    """
    from rich.table import Table
    from rich.text import Text

    from interlock.policies.controls import known_halts
    from interlock.processors.review.open_task import OpenTask
    from interlock.processors.review.queue_counts import count_queues
    from interlock.processors.review.times import span
    from interlock.review.board import Board
    from interlock.streams.clock import SystemClock

    platform = connection.connect(data_dir)
    with Board(platform.serving_kafka()) as board:
        counts = count_queues(map(OpenTask.of, board.open_tasks), SystemClock().now())
    if json:
        print_json([asdict(queue) for queue in counts])
        return
    show_halts(known_halts(platform))
    if not counts:
        errors.print("no task is open")
        return
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("queue", overflow="fold")
    for name in ("waiting", "assigned", "leased", "snoozed", "overdue", "due soon", "oldest"):
        grid.add_column(name, justify="right")
    priorities = Table(box=None, pad_edge=False, header_style="bold")
    priorities.add_column("queue", overflow="fold")
    priorities.add_column("by priority")
    longest = max(queue.open for queue in counts)
    for queue in counts:
        bar = Text()
        for priority, count in queue.by_priority.items():
            # A priority that has tasks is seen, however few.
            bar.append("█" * max(1, round(count / longest * _BAR_WIDTH)), _COLOURS[priority])
        bar.append("  " + ", ".join(f"{count:,} {priority}" for priority, count in queue.by_priority.items()), "dim")
        grid.add_row(
            Text(visible(queue.queue)),
            *(f"{count:,}" for count in (queue.waiting, queue.assigned, queue.leased, queue.snoozed)),
            Text(f"{queue.overdue:,}", "bold red" if queue.overdue else ""),
            Text(f"{queue.due_soon:,}", "yellow" if queue.due_soon else ""),
            span(queue.oldest_seconds),
        )
        priorities.add_row(Text(visible(queue.queue)), bar)
    console.print(grid)
    console.print()
    console.print(priorities)
