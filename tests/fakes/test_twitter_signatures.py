"""OAuth 1.0a: the vendor's own vectors, and a door that lets in only whom it knows."""

from urllib.parse import quote, urlencode

import pytest
from asking import TIMELINE, ask, at

from retrysim.errors import FakeError
from retrysim.fakes import Twitter
from retrysim.fakes.twitter.oauth1 import signature

SECRETS = {
    "consumer_secret": "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
    "token_secret": "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
}
ACCOUNT = {
    "consumer_key": "xvz1evFS4wEEPTGEFPHBog",
    "token": "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
    **SECRETS,
}
OAUTH = {
    "oauth_consumer_key": ACCOUNT["consumer_key"],
    "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "1318622958",
    "oauth_token": ACCOUNT["token"],
    "oauth_version": "1.0",
}
STATUS = "Hello Ladies + Gentlemen, a signed OAuth request!"
SIGNED_AT = at(1_318_622_958 - 1_438_603_200)
UPDATE = "POST /1.1/statuses/update.json"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.twitter.com/1/statuses/update.json", "tnnArxj06cWHq44gCs1OSKk/jLY="),
        ("https://api.twitter.com/1.1/statuses/update.json", "hCtSmYh+iHYCEqBWrE7C7hYmtUk="),
        ("https://api.x.com/1.1/statuses/update.json", "Ls93hJiZbQ3akF3HF3x1Bz8/zU4="),
    ],
)
def test_signatures_are_those_of_the_vendors_example(url, expected):
    parameters = [("status", STATUS), ("include_entities", "true"), *OAUTH.items()]

    assert signature("POST", url, parameters, **SECRETS) == expected


def authorization(**changed):
    oauth = OAUTH | {"oauth_signature": "hCtSmYh+iHYCEqBWrE7C7hYmtUk="} | changed
    return "OAuth " + ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in oauth.items())


def post(twitter, *, when=SIGNED_AT, auth=None, status=STATUS):
    body = urlencode({"status": status}).encode()
    return ask(twitter, UPDATE, when=when, auth=auth or authorization(), query="include_entities=true", body=body)


def test_who_signs_rightly_is_let_in():
    assert post(Twitter(accounts=[ACCOUNT])).status == 200


def test_parameters_in_the_query_may_carry_the_signature():
    twitter = Twitter(accounts=[ACCOUNT])
    signed = signature("GET", "https://api.twitter.com/1.1/statuses/user_timeline.json", OAUTH.items(), **SECRETS)

    answer = ask(twitter, TIMELINE, auth=None, when=SIGNED_AT, query=urlencode(OAUTH | {"oauth_signature": signed}))

    assert answer.status == 200


@pytest.mark.parametrize("wrong", [{"status": "another text"}, {"auth": authorization(oauth_signature="AAAA")}])
def test_a_wrong_signature_is_code_32(wrong):
    refused = post(Twitter(accounts=[ACCOUNT]), **wrong)

    assert (refused.status, refused.body) == (
        401,
        b'{"errors":[{"code":32,"message":"Could not authenticate you."}]}',
    )


@pytest.mark.parametrize("auth", [authorization(oauth_token="1-stolen"), "Bearer unknown"])
def test_an_unknown_token_is_code_89(auth):
    refused = post(Twitter(accounts=[ACCOUNT]), auth=auth)

    assert (refused.status, refused.body) == (401, b'{"errors":[{"message":"Invalid or expired token","code":89}]}')


def test_a_signature_is_good_for_five_minutes_on_the_servers_clock():
    ages = (0, 300, 301, -301)

    statuses = [post(Twitter(accounts=[ACCOUNT]), when=SIGNED_AT + age * 1_000_000_000).status for age in ages]
    skewed = post(Twitter(accounts=[ACCOUNT], clock_skew="6 minutes"))

    assert statuses == [200, 200, 401, 401]
    assert skewed.body == b'{"errors":[{"message":"Timestamp out of bounds.","code":135}]}'


def test_a_bearer_token_may_be_an_account():
    twitter = Twitter(accounts=[{"bearer": "AppSecret"}])

    assert ask(twitter, TIMELINE, auth="Bearer AppSecret", query="user_id=12").status == 200
    assert ask(twitter, TIMELINE, auth="Bearer Other", query="user_id=12").status == 401


def test_an_account_without_a_secret_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(accounts=[{"consumer_key": "a", "consumer_secret": "b", "token": "c"}])

    assert str(error.value) == (
        "an account of Twitter lacks its 'token_secret': expected consumer_key, consumer_secret, token, token_secret, "
        "or bearer alone"
    )


def test_an_account_with_an_unknown_key_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(accounts=[{**ACCOUNT, "tokens": "x"}])

    assert str(error.value) == (
        "an account has no 'tokens'; did you mean 'token'? (it has consumer_key, consumer_secret, token, token_secret)"
    )
