"""Which function answers which path of API v1.1; a path that is not listed answers ``anything``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from retrysim.fakes.twitter import resources as r
from retrysim.fakes.visit import Visit

#: A function of ``resources``: what a world answers to a visit.
Resource = Callable[[r.World, Visit], object]

FUNCTIONS: Mapping[str, Resource] = MappingProxyType(
    {
        "statuses/user_timeline": r.timeline("tweets"),
        "statuses/home_timeline": r.timeline("home", reach=r.HOME_REACH),
        "statuses/mentions_timeline": r.timeline("mentions", reach=r.HOME_REACH),
        "statuses/retweets_of_me": r.timeline("retweeted"),
        "favorites/list": r.timeline("favorites"),
        "lists/statuses": r.timeline("list"),
        "search/tweets": r.found_tweets,
        "statuses/show/:id": r.one_tweet,
        "statuses/oembed": r.one_tweet,
        "statuses/lookup": r.looked_up_tweets,
        "statuses/retweets/:id": r.retweets,
        "statuses/update": r.post,
        "statuses/retweet/:id": r.one_tweet,
        "statuses/destroy/:id": r.one_tweet,
        "favorites/create": r.one_tweet,
        "favorites/destroy": r.one_tweet,
        "users/show/:id": r.one_user,
        "users/lookup": r.looked_up_users,
        "users/search": r.found_users,
        "users/suggestions": r.nothing_yet,
        "friendships/create": r.one_user,
        "friendships/destroy": r.one_user,
        "account/verify_credentials": r.myself,
        "account/settings": r.myself,
        "account/update_profile": r.myself,
        "followers/ids": r.people("followers", as_users=False),
        "followers/list": r.people("followers", as_users=True),
        "friends/ids": r.people("friends", as_users=False),
        "friends/list": r.people("friends", as_users=True),
        "friends/following/ids": r.people("friends", as_users=False),
        "friends/following/list": r.people("friends", as_users=True),
        "blocks/ids": r.people("blocks", as_users=False),
        "blocks/list": r.people("blocks", as_users=True),
        "mutes/users/ids": r.people("mutes", as_users=False),
        "mutes/users/list": r.people("mutes", as_users=True),
        "friendships/incoming": r.people("incoming", as_users=False),
        "friendships/outgoing": r.people("outgoing", as_users=False),
        "friendships/no_retweets/ids": r.nothing_yet,
        "friendships/lookup": r.nothing_yet,
        "statuses/retweeters/ids": r.people("retweeters", as_users=False),
        "lists/members": r.people("members", as_users=True),
        "lists/subscribers": r.people("subscribers", as_users=True),
        "lists/members/show": r.one_user,
        "lists/subscribers/show": r.one_user,
        "lists/show": r.one_list,
        "lists/list": r.nothing_yet,
        "lists/memberships": r.several_lists,
        "lists/ownerships": r.several_lists,
        "lists/subscriptions": r.several_lists,
        "direct_messages": r.nothing_yet,
        "direct_messages/sent": r.nothing_yet,
        "direct_messages/sent_and_received": r.nothing_yet,
        "saved_searches/list": r.nothing_yet,
        "trends/place": r.trends,
        "trends/available": r.some_places,
        "trends/closest": r.some_places,
    }
)
