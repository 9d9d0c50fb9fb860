"""The vendors' fakes by name; what each does is in its data file, where the sources are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack

from retrysim.durations import Duration
from retrysim.fakes.endpoint import Function
from retrysim.fakes.trouble import Troubles
from retrysim.fakes.vendor_api import VendorAPI


class Options(TypedDict, total=False):
    """What every vendor's fake takes; see ``VendorAPI``."""

    limits: Mapping[str, str | None] | None
    endpoints: Mapping[str, Function] | None
    state: Callable[[], object] | None
    seed: int
    clock_skew: Duration
    latency: Duration
    trouble: Troubles | None


class GitHub(VendorAPI):
    """GitHub's REST API: 5000 calls per hour, told in headers, and secondary limits that are not."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("github", **options)


class Stripe(VendorAPI):
    """Stripe's API in test mode: 25 calls per second; a refusal tells no instant."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("stripe", **options)


class Slack(VendorAPI):
    """Slack's Web API: each method has its tier, and a refusal is 429 with whole seconds."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("slack", **options)


class Shopify(VendorAPI):
    """Shopify's Admin API of one shop: leaky buckets, by call in REST, by cost and with status 200 in GraphQL."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("shopify", **options)


class OpenAI(VendorAPI):
    """OpenAI's API: requests and tokens per minute, refilled all the time; waits are Go durations."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("openai", **options)


class Anthropic(VendorAPI):
    """Anthropic's API: requests, input and output tokens per minute; instants are RFC 3339, over capacity is 529."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("anthropic", **options)


class Discord(VendorAPI):
    """Discord's API: a window per route, and one for everything of a bot; waits are decimal seconds."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("discord", **options)


class Reddit(VendorAPI):
    """Reddit's API: 600 calls per ten minutes; the reset is a wait, the rest a decimal."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("reddit", **options)


class Spotify(VendorAPI):
    """Spotify's API: a rolling window of 30 seconds that no header shows."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("spotify", **options)


class AWS(VendorAPI):
    """An AWS service of the JSON protocol: a token bucket per key and operation; a refusal is a 400 without a wait."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__("aws", **options)
