"""The ``retrysim`` command; nothing heavy is imported until a command needs it, so that help is quick."""

from retrysim.cli.group import main

__all__ = ["main"]
