"""Users out of a seed: everybody exists, and is always the same person."""

from __future__ import annotations

from retrysim.fakes.seeded import draw

User = dict[str, object]

_MOST = 10**9


def user(seed: int, user_id: int) -> User:
    """The user with an id, as API v1.1 showed one (the keys that clients read)."""
    word = draw(seed, "user", user_id)
    name = screen_name(user_id)
    return {
        "id": user_id,
        "id_str": str(user_id),
        "name": f"User {user_id}",
        "screen_name": name,
        "location": "",
        "description": "",
        "url": None,
        "protected": False,
        "followers_count": word % 5_000,
        "friends_count": (word >> 16) % 2_000,
        "listed_count": (word >> 32) % 50,
        "created_at": "Thu Jun 03 12:00:00 +0000 2010",
        "favourites_count": (word >> 40) % 1_000,
        "verified": False,
        "statuses_count": (word >> 48) % 10_000,
        "lang": "en",
        "profile_image_url_https": f"https://pbs.twimg.com/profile_images/{user_id}/normal.png",
        "default_profile": True,
        "following": False,
    }


def screen_name(user_id: int) -> str:
    return f"user{user_id}"


def id_of(name: str) -> int:
    """The id of a screen name; that of ``user783214`` is 783214."""
    digits = name.lower().removeprefix("user")
    if digits.isascii() and digits.isdigit() and len(digits) <= 19:
        return int(digits)
    return draw("screen name", name.lower()) % _MOST + 1


def ids_of(seed: int, owner: int, name: str, first: int, last: int) -> list[int]:
    """Ids number ``first`` to ``last`` (exclusive) of one of a user's sets of people, such as ``followers``."""
    return [draw(seed, owner, name, number) % _MOST + 1 for number in range(first, last)]
