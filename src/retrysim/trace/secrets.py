"""Takes secrets out of texts: what a fake knows as ``token-1`` is written so, and OAuth parameters are blanked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_PARAMETER = re.compile(r"\b(oauth_[a-z_]+|access_token|api_key|client_secret|token|signature)=([^&\s'\")]+)", re.I)
_HEADER = re.compile(r"\b(Bearer|Basic|token)\s+[A-Za-z0-9._~+/%=-]{8,}")


def redactor(aliases: Callable[[], Mapping[str, str]]) -> Callable[[str], str]:
    """A function that redacts a text; ``aliases()`` tells the secrets seen so far and what to call them."""

    def redact(text: str) -> str:
        for secret, alias in aliases().items():
            if len(secret) >= 4:
                text = text.replace(secret, alias)
        return _HEADER.sub(r"\1 ***", _PARAMETER.sub(r"\1=***", text))

    return redact
