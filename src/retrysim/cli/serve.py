"""``retrysim serve``: a fake, or a RabbitMQ, on a port of this machine, in real time, for clients in any language."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import click

from retrysim.cli.echo import echo
from retrysim.cli.ending import one_message, show_traceback
from retrysim.cli.numbers import SEED, Whole
from retrysim.errors import InputError

if TYPE_CHECKING:
    from retrysim.fakes.fake import Fake

_EPILOG = """\b
Examples:
  retrysim serve twitter --port 8080
  retrysim serve github -o 'limits={"core": "5 per minute"}'
  retrysim serve rabbitmq --version 4.0 --port 5672
  retrysim serve crm -o url=https://crm.acme.io -o 'limit=100 per minute'
\b
Exit code: 0 when Ctrl-C ended it, 2 when the input is wrong, 3 when retrysim
itself fails.
"""


@click.command(epilog=_EPILOG, short_help="Serve a fake API, or a simulated RabbitMQ, on a port.")
@click.argument("name")
@click.option("--port", metavar="N", type=Whole(0, 65535), default=0, show_default="a free one", help="The port.")
@click.option(
    "-o", "--option", "options", metavar="KEY=VALUE", multiple=True, help="An option of the fake; VALUE may be JSON."
)
@click.option("--version", metavar="X.Y", help="Of RabbitMQ: the version that is simulated.  [default: the newest]")
@click.option("--seed", metavar="N", type=SEED, default=0, help="What its data are made from.")
@show_traceback
def serve(name: str, port: int, options: tuple[str, ...], version: str | None, seed: int, traceback: bool) -> None:
    """Serve a fake API, and log each call with its answer and why; or serve a simulated RabbitMQ.

    NAME is a vendor (twitter, github, stripe, ...; a wrong name lists them), rabbitmq, or, with `-o url=...`, any name
    for an API of your own.
    """
    with one_message(with_traceback=traceback):
        if name == "rabbitmq":
            server, what, fake = *_rabbitmq(port, options, version), None
        else:
            server, what, fake = _fake(name, port, options, version, seed)
        try:
            server.start()
        except OSError as error:
            raise InputError(f"--port {port}: expected a free port; {error.strerror}") from None
        echo(f"{what.format(url=server.url)}; Ctrl-C ends it")
        _wait_for_ctrl_c()
        server.stop()
        if fake is not None:
            from retrysim.wire.call_log import summary

            echo("\n".join(summary(fake.calls)))


class _Server(Protocol):
    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


def _fake(name: str, port: int, options: tuple[str, ...], version: str | None, seed: int) -> tuple[_Server, str, Fake]:
    from retrysim.fakes.catalogue import make_fake
    from retrysim.wire import LoopbackServer

    if version is not None:
        raise InputError(f"--version {version}: only rabbitmq has versions; a fake takes its options by -o KEY=VALUE")
    fake = make_fake(name, dict(map(_parsed, options)), seed=seed)
    return LoopbackServer(fake, port=port, say=echo), f"{name} at {{url}} in place of https://{fake.hosts[0]}", fake


def _rabbitmq(port: int, options: tuple[str, ...], version: str | None) -> tuple[_Server, str]:
    from retrysim.rabbitmq import NEWEST
    from retrysim.rabbitmq.server import RabbitMQServer
    from retrysim.wire.rabbitmq_port import RabbitMQPort

    if options:
        raise InputError(f"-o {options[0]}: rabbitmq takes no options; its version is --version X.Y")
    server = RabbitMQServer(version or NEWEST, now_ns=time.time_ns())
    return RabbitMQPort(server, port=port, say=echo), f"RabbitMQ {server.version.name} at {{url}}"


def _wait_for_ctrl_c() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        echo("")


def _parsed(option: str) -> tuple[str, Any]:
    key, equals, text = option.partition("=")
    if not key or not equals:
        raise InputError(f"-o {option}: expected KEY=VALUE, such as era=2013-2015")
    try:
        return key, json.loads(text, parse_constant=_no_number)
    except ValueError:
        return key, text
    except RecursionError:
        raise InputError(f"-o {key}: its value is nested too deeply") from None


def _no_number(word: str) -> Any:
    """``NaN`` and ``Infinity`` are text here: JSON has no such numbers."""
    raise ValueError(word)
