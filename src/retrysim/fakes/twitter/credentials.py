"""Who signs a request to Twitter: OAuth 1.0a parameters from the header, the query or the body, or a bearer token.

Clients built on requests sign in the header; the ``twitter`` package puts the parameters into the query of a GET
and into the body of a POST.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from retrysim.fakes.request import Request
from retrysim.fakes.visit import Identity

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user's token in an app, or an app alone (bearer). ``oauth`` holds all OAuth parameters that were sent."""

    token: str
    consumer_key: str = ""
    is_app: bool = False
    oauth: tuple[tuple[str, str], ...] = ()

    @property
    def reader(self) -> Identity:
        """Whom reads are counted for: this user in this app, or this app."""
        return Identity(
            kind="app" if self.is_app else "token", key=(self.consumer_key, self.token), secrets=(self.token,)
        )

    @property
    def writer(self) -> Identity:
        """Whom writes are counted for: the user, whatever the app; the user's id begins the token."""
        return Identity(kind="user", key=self.token.partition("-")[0], secrets=(self.token,))

    @property
    def user_id(self) -> int | None:
        """The id of the user whom the token belongs to, if the token tells it."""
        text = self.token.partition("-")[0]
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


def credentials_of(request: Request) -> Credentials | None:
    """The credentials of a request, or ``None`` when it has none."""
    scheme, _, value = request.header("authorization").partition(" ")
    if scheme.lower() == "bearer":
        return Credentials(token=value.strip(), is_app=True) if value.strip() else None
    if scheme.lower() == "oauth":
        return _signed({name: unquote(text) for name, text in _PARAMETER.findall(value)})
    return _signed(request.query) or _signed(request.form)


def _signed(parameters: dict[str, str]) -> Credentials | None:
    oauth = {name: value for name, value in parameters.items() if name.startswith("oauth_")}
    token = oauth.get("oauth_token", "")
    if not token:
        return None
    consumer_key = oauth.get("oauth_consumer_key", "")
    return Credentials(token=token, consumer_key=consumer_key, oauth=tuple(oauth.items()))
