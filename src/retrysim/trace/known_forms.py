"""Secrets that are known by their form: credentials in headers, URLs and bodies, and the keys of vendors.

Each vendor's form is the prefix that its documentation (or GitHub's list of secret scanning patterns) gives.
"""

from __future__ import annotations

import re

_SECRET_NAME = (
    r"(?:oauth_[a-z_]+|passw(?:or)?d|passwd|pwd|passphrase|secret|token|jwt|api[_-]?key|apikey|access[_-]?key|"
    r"private[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key|auth[_-]?key|credentials?|authorization|"
    r"signature|session[_-]?(?:id|key)|sessionid|cookie|(?<=[?&])(?:sig|key))(?:[_-]?(?:key|id|value|base|hash|\d+))?"
)
#: ``name=value``, ``"name": "value"`` and ``name = 'value'``; not ``InvalidToken: what was wrong``.
_NAMED = re.compile(
    rf"({_SECRET_NAME})(?:"
    r"(=)(?!['\"\\\s])[^&\s'\"),;<>]+"
    r"|(['\"]?\s*[=:]\s*[bru]?)(\\?['\"])(?!\*\*\*)(?:(?!\4)(?:\\.|[^\\\n]))+(?:\4|$)"
    r")",
    re.IGNORECASE,
)
#: A header that is a secret, unless an alias stands there already; of cookies every value.
_HEADER = re.compile(
    r"\b((?:proxy-authorization|authorization|x-[a-z-]*(?:key|token|secret|signature)|api-key): ?)"
    r"(?!\*\*\*|[a-z]+-\d+\b)(?:(Bearer|Basic|Digest|Token|Negotiate|AWS4-HMAC-SHA256) )?[^\s'\"]+"
    r"|\b((?:set-)?cookie: ?)(?:[^\s;=]+=[^\s;]*;? ?)+",
    re.IGNORECASE,
)
#: Letters alone are a word: "Basic authentication", "token expired".
_SCHEME = re.compile(
    r"\b(Bearer|Basic|Token|token|ApiKey|Negotiate)\s+(?=[A-Za-z]*(?:[0-9._~+/%=-]|[a-z][A-Z]))[A-Za-z0-9._~+/%=-]{8,}"
)
#: A password in a URL (but for RabbitMQ's public ``guest``), and a key in the place of a user.
_IN_URL = re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^\s/@:'\"]*:)(?!guest@)[^\s@'\"]+(?=@)")
_USER_OF_URL = re.compile(r"([a-z][a-z0-9+.-]{1,20}://)[^\s/@:'\"]{16,}(?=@)")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY( BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\Z)", re.DOTALL
)
_VENDOR = re.compile(
    "|".join(
        [
            r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?",  # a JSON Web Token
            r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]{16,}",  # "-----BEGIN " in base64
            r"\bMII[A-Za-z0-9+/]{60,}={0,2}",  # DER in base64
            r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",  # AWS
            r"\bgh[pousr]_[A-Za-z0-9]{16,}",  # GitHub
            r"\bgithub_pat_\w{20,}",
            r"\bgl(?:pat|dt|rt|ptt)-[\w-]{16,}",  # GitLab
            r"\bshp(?:at|ca|pa|ss)_[0-9a-zA-Z]{16,}",  # Shopify
            r"\bxox[abeoprs]-[\w-]{8,}|\bxapp-[\w-]{16,}",  # Slack
            r"\b(?:sk|rk|pk)_(?:live|test)_\w{8,}|\bwhsec_\w{16,}",  # Stripe
            r"\bsk-(?:ant-|proj-|svcacct-)?[\w-]{16,}",  # OpenAI, Anthropic
            r"\bAIza[\w-]{30,}|\bya29\.[\w-]{8,}|\bGOCSPX-[\w-]{16,}|\b1//0[\w-]{20,}",  # Google
            r"\bnpm_\w{16,}|\bpypi-[\w-]{16,}|\bhf_\w{16,}|\bdckr_pat_[\w-]{16,}",  # registries
            r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\bkey-[0-9a-f]{32}\b|\b[0-9a-f]{32}-us\d{1,2}\b",  # mail
            r"\b(?:AC|SK)[0-9a-f]{32}\b",  # Twilio
            r"\bEAA[A-Za-z0-9]{24,}",  # Facebook
            r"\bdop_v1_[0-9a-f]{32,}|\bhvs\.[\w-]{20,}|\bdapi[0-9a-f]{32}\b|\bsq0[a-z]{3}-[\w-]{20,}",  # and others
            r"\bATATT3[\w=-]{20,}|\blin_api_\w{20,}|\bNRAK-\w{20,}|\bAGE-SECRET-KEY-\w{20,}|\bAGPA[0-9A-Z]{16}\b",
            r"\b\d{8,10}:AA[\w-]{30,}",  # a bot of Telegram
        ]
    )
)
_WEBHOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/\d+/|"
    r"/services/(?=T\w{6,}/B\w{6,}/))[\w/-]+"
)
#: What a text must hold to have a form of that kind: looking for a literal costs a hundredth of a search.
_NAME_HINTS = (
    "token", "secret", "key", "passw", "pwd", "oauth_", "auth", "cookie", "session", "signature", "credential", "jwt",
    "passphrase", "sig=",
)  # fmt: skip
_SCHEME_HINTS = ("earer", "asic", "oken", "ApiKey", "egotiate")
_VENDOR_HINTS = (
    "eyJ", "LS0t", "MII", "AKIA", "ASIA", "ABIA", "ACCA", "gh", "gl",
    "github_pat", "shp", "xox", "xapp", "k_live", "k_test", "whsec",
    "sk-", "AIza", "ya29", "GOCSPX", "1//0", "npm_", "pypi-", "hf_", "dckr_", "SG.", "key-", "-us", "AC", "SK", "EAA",
    "dop_", "hvs.", "dapi", "sq0", "ATATT", "lin_api", "NRAK", "AGE-", "AGPA", ":AA",
)  # fmt: skip


def hide_known_forms(text: str) -> str:
    """The text with ``***`` in the place of each secret of a known form."""
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(r"-----BEGIN \1PRIVATE KEY\2----- ***", text)
    if "://" in text and "@" in text:
        text = _USER_OF_URL.sub(r"\1***", _IN_URL.sub(r"\1***", text))
    if "/services/" in text or "/webhooks/" in text or "/workflows/" in text:
        text = _WEBHOOK.sub(r"\1***", text)
    if ("=" in text or ":" in text) and _has_one(text.lower(), _NAME_HINTS):
        text = _NAMED.sub(_hidden_value, _HEADER.sub(_hidden_header, text))
    if _has_one(text, _SCHEME_HINTS):
        text = _SCHEME.sub(r"\1 ***", text)
    return _VENDOR.sub("***", text) if _has_one(text, _VENDOR_HINTS) else text


def _has_one(text: str, hints: tuple[str, ...]) -> bool:
    for hint in hints:  # noqa: SIM110 - any() with a generator takes twice as long
        if hint in text:
            return True
    return False


def _hidden_value(match: re.Match[str]) -> str:
    if match[2]:
        return f"{match[1]}=***"
    return f"{match[1]}{match[3]}{match[4]}***{match[4]}"


def _hidden_header(match: re.Match[str]) -> str:
    if match[3]:
        return f"{match[3]}***"
    return f"{match[1]}{match[2]} ***" if match[2] else f"{match[1]}***"
