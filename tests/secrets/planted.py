"""Sixty secrets, each with the place where it is planted: what becomes of them is the table of docs/explanation/secrets.md.

They are put together from halves, so that no scanner of repositories takes them for real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

HEX = "0123456789abcdef0123456789abcdef"
LETTERS = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\n-----END RSA " + "PRIVATE KEY-----"


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One secret. ``text`` holds it where it is planted in a text; else it is learned there, and said by an exception."""

    kind: str
    place: str
    secret: str
    text: str = ""
    name: str = ""
    shown: bool = False


def said(kind: str, secret: str, text: str = "{}", place: str = "exception", *, shown: bool = False) -> Planted:
    """A secret in a text."""
    return Planted(kind=kind, place=place, secret=secret, text=text.replace("{}", secret), shown=shown)


def learned(kind: str, place: str, name: str, secret: str, *, shown: bool = False) -> Planted:
    """A secret under a name, which an exception says without it."""
    return Planted(kind=kind, place=place, name=name, secret=secret, shown=shown)


PLANTED = [
    # headers and URLs, as clients quote them
    said("bearer token", "mF_9.B5f-4.1JqM", "HTTP 401 for Authorization: Bearer {}"),
    said("basic authentication", "dXNlcjpodW50ZXIy", "sent Basic {}"),
    said("API key in a header", "k3y-in-a-header", "headers {'X-Api-Key': '{}'}"),
    said("API key in a query", "k3y-in-a-query", "403 for url: https://crm.acme.io/items?api_key={}&page=2"),
    said("access token in a query", "t0ken-in-a-query", "for url: https://crm.acme.io/items?access_token={}"),
    said("signature in a query", "c2lnbmF0dXJl", "for url: https://crm.acme.io/items?X-Amz-Signature={}"),
    said("password in a JSON body", "hunter2-json", 'body was {"user": "me", "password": "{}"}'),
    said("token in a form body", "t0ken-in-a-form", "body was grant=x&refresh_token={}"),
    said("cookie", "c00kie-value", "Cookie: sessionid={}; theme=dark"),
    said("Set-Cookie", "s3t-cookie-value", "Set-Cookie: sid={}; HttpOnly"),
    said("password in a URL", "hunter2-url", "no answer of https://me:{}@crm.acme.io/"),
    said("DSN of a database", "hunter2-dsn", "cannot connect: postgresql://app:{}@db.acme.io:5432/app"),
    said("URL of a broker", "hunter2-amqp", "amqp://app:{}@mq.acme.io//"),
    said("key in the place of a user", "0123456789abcdef0123", "https://{}@sentry.acme.io/7"),
    said("OAuth 1 signature", "wOJIO9A2W5mFwDgiDvZbTSMK", 'OAuth oauth_signature="{}", oauth_version="1.0"'),
    said("OAuth 1 token, quoted", "370773112-GmHxMAgYyLbNEtIKZ", "oauth_token='{}'"),
    # what vendors give out
    said("JSON Web Token", "eyJhbGciOi" + "JIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"),
    said("private key (PEM)", PEM),
    said("private key in base64", "LS0tLS1CRUdJTi" + "BSU0EgUFJJVkFURSBLRVktLS0tLQ=="),
    said("AWS access key", "AKIA" + "IOSFODNN7EXAMPLE"),
    said("GitHub token", "ghp_" + LETTERS),
    said("GitHub OAuth token", "gho_" + LETTERS),
    said("GitHub fine-grained token", "github_pat_" + LETTERS),
    said("GitLab token", "glpat-" + LETTERS[:20]),
    said("Shopify token", "shpat_" + HEX),
    said("Slack token", "xoxb-" + "123456789012-" + LETTERS[:24]),
    said("Slack webhook", "T00000000/B00000000/" + LETTERS[:24], "POST https://hooks.slack.com/services/{}"),
    said("Stripe key", "sk_live_" + LETTERS[:24]),
    said("Google API key", "AIza" + "Sy" + LETTERS),
    said("Google access token", "ya29." + LETTERS),
    said("npm token", "npm_" + LETTERS),
    said("PyPI token", "pypi-" + LETTERS),
    said("SendGrid key", "SG." + LETTERS[:22] + "." + LETTERS),
    said("Twilio key", "SK" + HEX),
    said("OpenAI key", "sk-proj-" + LETTERS),
    said("Anthropic key", "sk-ant-" + LETTERS),
    said("Telegram bot token", "123456789:AA" + LETTERS),
    said("Vault token", "hvs." + LETTERS),
    # in other places than exceptions
    said("bearer token", "mF_9.B5f-4.2JqM", "Bearer {}", "result"),
    said("password in a repr", "hunter2-repr", "<Client(user='me', password='{}')>", "result"),
    said("token in a log line", "t0ken-in-a-log", "retrying with token={}", "log"),
    said("password in a reason of Reject", "hunter2-reject", "password='{}'", "reject"),
    said("password in a line of source", "hunter2-source", "", "source"),
    said("webhook in the path of a call", "T00000001/B00000001/" + LETTERS[:20], "/services/{}", "path"),
    # learned by their names, and said without them
    learned("variable of the environment", "environment", "CRM_API_KEY", "acme-environment-1"),
    learned("password of a URL in the environment", "environment", "DATABASE_URL", "acme-environment-2"),
    learned("setting of the app", "setting", "crm_password", "acme-setting-1"),
    learned("keyword argument", "argument", "password", "acme-argument-1"),
    learned("keyword argument in a mapping", "nested", "api_token", "acme-argument-2"),
    learned("positional argument", "positional", "secret", "acme-argument-3"),
    learned("header of a request", "header", "X-Api-Key", "acme-header-1"),
    learned("password of basic authentication", "basic", "", "acme-header-2"),
    learned("cookie of a request", "cookie", "sid", "acme-cookie-1"),
    learned("parameter of a query", "query", "access_token", "acme-query-1"),
    learned("field of a JSON body", "json", "client_secret", "acme-body-1"),
    learned("token that an API gives out", "answer", "access_token", "acme-answer-1"),
    said("what matches `redact=`", "acme-7781", "customer {} is unknown"),
    # what cannot be known
    said("random text without a name", "q8Zr2LkX9pWv", "could not use {}", shown=True),
    said("password of fewer than 8 characters without its name", "hunter2", "cannot log in with {}", shown=True),
    said("secret in another encoding", "616368612d6172", "in hexadecimal: {}", shown=True),
]  # fmt: skip
