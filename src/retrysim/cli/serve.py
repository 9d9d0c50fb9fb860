"""``retrysim serve``: a fake on a port of this machine, in real time, for clients in any language."""

from __future__ import annotations

import json
import threading
from typing import Any

import click

from retrysim.cli.ending import one_message, show_traceback
from retrysim.errors import InputError

_EPILOG = """\b
Examples:
  retrysim serve twitter --port 8080
  retrysim serve twitter -o era=2016-2020 -o 'limits={"statuses/user_timeline": "5 per minute"}'
  retrysim serve crm -o url=https://crm.acme.io -o 'limit=100 per minute' -o per=authorization
\b
Ctrl-C ends it. Exit code: 0 when it was ended so, 2 when the input is wrong, 3 when retrysim itself fails.
"""


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="The port.")
@click.option(
    "-o", "--option", "options", metavar="KEY=VALUE", multiple=True, help="An option of the fake; VALUE may be JSON."
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="What its data are made from.")
@show_traceback
def serve(name: str, port: int, options: tuple[str, ...], seed: int, traceback: bool) -> None:
    """Serve the fake NAME and say of each call what was answered, and why."""
    with one_message(with_traceback=traceback):
        from retrysim.fakes.catalogue import make_fake
        from retrysim.wire import LoopbackServer

        fake = make_fake(name, dict(map(_parsed, options)), seed=seed)
        server = LoopbackServer(fake, port=port, say=click.echo)
        try:
            server.start()
        except OSError as error:
            raise InputError(f"--port {port}: expected a free port; {error.strerror}") from None
        click.echo(f"{name} at {server.url} in place of https://{fake.hosts[0]}; Ctrl-C ends it")
        _wait_for_ctrl_c()
        server.stop()


def _wait_for_ctrl_c() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("")


def _parsed(option: str) -> tuple[str, Any]:
    key, equals, text = option.partition("=")
    if not key or not equals:
        raise InputError(f"-o {option}: expected KEY=VALUE, such as era=2013-2015")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text
