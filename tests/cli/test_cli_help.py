"""What ``--help`` prints on a terminal of 80 columns."""

import click
import pytest
from click.testing import CliRunner

from retrysim.cli import main


def help_of(*command):
    return CliRunner().invoke(main, [*command, "--help"], terminal_width=80).output.splitlines()


@pytest.mark.parametrize("command", [None, *sorted(main.commands)])
def test_no_line_of_help_is_wider_than_a_terminal(command):
    lines = help_of(*([command] if command else []))

    assert [line for line in lines if len(line) > 80] == []
    assert len(lines) > 8


def test_each_command_is_summed_up_in_a_whole_sentence():
    summaries = {name: command.get_short_help_str(limit=64) for name, command in main.commands.items()}

    assert [name for name, summary in summaries.items() if summary.endswith("...") or not summary.endswith(".")] == []
    assert [line for line in help_of() if line.endswith("...") and "COMMAND" not in line] == []


@pytest.mark.parametrize("command", sorted(main.commands))
def test_each_option_is_explained_by_itself(command):
    options = [one for one in main.commands[command].params if isinstance(one, click.Option)]

    assert [one.name for one in options if not one.help or one.help.startswith("...")] == []
