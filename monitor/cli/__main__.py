"""`python -m monitor.cli`: the same as the command `plumbline`."""

from monitor.cli import main

main()
