"""openai and anthropic: they wait as long as ``retry-after`` says, synchronously and under asyncio."""

from __future__ import annotations

import asyncio

import pytest
from sdk_helpers import LimitedAtFirst, answer

from retrysim.wire import HandlerAt, serving

OPENAI_LIMITED = {
    "error": {
        "message": "Rate limit reached for gpt-4o-mini. Please try again in 7s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
}
OPENAI_SERVED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_767_614_400,
    "model": "gpt-4o-mini",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello", "refusal": None}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
ANTHROPIC_LIMITED = {"type": "error", "error": {"type": "rate_limit_error", "message": "Number of requests exceeded"}}
ANTHROPIC_SERVED = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
QUESTION = [{"role": "user", "content": "hello?"}]


def openai_handler(**headers):
    return LimitedAtFirst(
        "POST /v1/chat/completions",
        limited=answer(429, OPENAI_LIMITED, **headers),
        served=answer(200, OPENAI_SERVED),
    )


def anthropic_handler(status=429):
    return LimitedAtFirst(
        "POST /v1/messages",
        limited=answer(status, ANTHROPIC_LIMITED, retry_after="9"),
        served=answer(200, ANTHROPIC_SERVED),
    )


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("120", 120)])
def test_openai_waits_as_long_as_it_is_told(sdk, slept, header, seconds):
    openai = sdk("openai")
    handler = openai_handler(retry_after=header)

    with serving(HandlerAt(handler, "api.openai.com")):
        completion = openai.OpenAI(api_key="sk-1").chat.completions.create(model="gpt-4o-mini", messages=QUESTION)

    assert completion.choices[0].message.content == "hello"
    assert slept == [seconds]
    assert handler.story == [(0, 429), (seconds, 200)]


def test_openai_prefers_milliseconds(sdk, slept):
    openai = sdk("openai")
    handler = openai_handler(retry_after_ms="1500", retry_after="7")

    with serving(HandlerAt(handler, "api.openai.com")):
        openai.OpenAI(api_key="sk-1").chat.completions.create(model="gpt-4o-mini", messages=QUESTION)

    assert handler.story == [(0, 429), (1.5, 200)]


def test_openai_raises_at_once_when_it_would_wait_longer_than_two_minutes(sdk, slept):
    openai = sdk("openai")
    handler = openai_handler(retry_after="121")

    with serving(HandlerAt(handler, "api.openai.com")), pytest.raises(openai.RateLimitError):
        openai.OpenAI(api_key="sk-1").chat.completions.create(model="gpt-4o-mini", messages=QUESTION)

    assert handler.story == [(0, 429)]


def test_openais_async_client_waits_on_asyncio(sdk, slept):
    openai = sdk("openai")
    handler = openai_handler(retry_after="7")

    async def call():
        async with openai.AsyncOpenAI(api_key="sk-1") as client:
            return await client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)

    with serving(HandlerAt(handler, "api.openai.com")):
        completion = asyncio.run(call())

    assert completion.choices[0].message.content == "hello"
    assert handler.story == [(0, 429), (7, 200)]


def test_openai_without_retries_raises_its_own_error(sdk, slept):
    openai = sdk("openai")

    with (
        serving(HandlerAt(openai_handler(retry_after="7"), "api.openai.com")),
        pytest.raises(openai.RateLimitError) as e,
    ):
        openai.OpenAI(api_key="sk-1", max_retries=0).chat.completions.create(model="m", messages=QUESTION)

    assert (e.value.status_code, e.value.code) == (429, "rate_limit_exceeded")
    assert e.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [429, 529])
def test_anthropic_waits_as_long_as_it_is_told(sdk, slept, status):
    anthropic = sdk("anthropic")
    handler = anthropic_handler(status)

    with serving(HandlerAt(handler, "api.anthropic.com")):
        client = anthropic.Anthropic(api_key="sk-1")
        message = client.messages.create(model="claude-sonnet", max_tokens=8, messages=QUESTION)

    assert message.content[0].text == "hello"
    assert slept == [9]
    assert handler.story == [(0, status), (9, 200)]


def test_anthropics_async_client_waits_on_asyncio(sdk, slept):
    anthropic = sdk("anthropic")
    handler = anthropic_handler()

    async def call():
        async with anthropic.AsyncAnthropic(api_key="sk-1") as client:
            return await client.messages.create(model="claude-sonnet", max_tokens=8, messages=QUESTION)

    with serving(HandlerAt(handler, "api.anthropic.com")):
        message = asyncio.run(call())

    assert message.content[0].text == "hello"
    assert handler.story == [(0, 429), (9, 200)]
