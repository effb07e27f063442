"""The options of the commands that inject faults.

In: nothing. Out: click options. Never: an import of what a command needs only when it runs.
"""

import click

from producers.faults import FAULTS

fault_option = click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice(list(FAULTS)),
    metavar="NAME",
    help="Fault to inject, one of docs/drills.md; given more than once, they act together.",
)
seed_option = click.option(
    "--seed", type=int, default=1, show_default=True, help="Draws what a fault leaves open."
)
