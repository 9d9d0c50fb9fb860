"""``python -m retrysim``: the ``retrysim`` command, for where scripts are not on PATH."""

from retrysim.cli.group import main

main(prog_name="retrysim")
