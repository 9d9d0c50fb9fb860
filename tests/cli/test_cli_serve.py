"""``retrysim serve`` in a process of its own: the address, the log, the end, and wrong input."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

COMMAND = [sys.executable, "-m", "retrysim.cli", "serve"]
PATH = "/1.1/statuses/user_timeline.json?user_id=1&oauth_token=secret-token"


@pytest.fixture
def served():
    options = ["-o", "era=2013-2015", "-o", 'limits={"statuses/user_timeline": "1 per 15 minutes"}']
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([*COMMAND, "twitter", *options], stdout=subprocess.PIPE, text=True, env=environment)
    first = process.stdout.readline()
    yield process, first
    process.kill()
    process.wait()


def get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_serves_limits_and_says_what_was_limited_and_why(served):
    process, first = served
    url = first.split()[2]

    assert first == f"twitter at {url} in place of https://api.twitter.com; Ctrl-C ends it\n"
    assert get(url + PATH)[0] == 200
    assert get(url + PATH) == (429, {"errors": [{"message": "Rate limit exceeded", "code": 88}]})
    process.send_signal(signal.SIGINT)
    served_line, limited_line, _, *summary = process.communicate(timeout=10)[0].splitlines()
    assert served_line[9:].startswith("200 GET /1.1/statuses/user_timeline.json  token-1: 0 of 1 left until ")
    assert limited_line[9:].startswith(
        "429 GET /1.1/statuses/user_timeline.json  token-1 has used up its 1 of /statuses/user_timeline: served again at "
    )
    assert summary == [
        "2 calls",
        "     1 x 200 GET /1.1/statuses/user_timeline.json",
        "     1 x 429 GET /1.1/statuses/user_timeline.json  limited",
    ]
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["twiter"], "no fake 'twiter'; did you mean 'twitter'? (there are "),
        (
            ["twitter", "--version", "4.0"],
            "--version 4.0: only rabbitmq has versions; a fake takes its options by -o KEY",
        ),
        (["rabbitmq", "-o", "a=1"], "-o a=1: rabbitmq takes no options; its version is --version X.Y\n"),
        (
            ["rabbitmq", "--version", "2.8"],
            "RabbitMQ 2.8 is not modelled; the versions that are: 3.10, 3.13, 4.0, 4.3\n",
        ),
        (["twitter", "-o", "era"], "-o era: expected KEY=VALUE, such as era=2013-2015\n"),
        (["twitter", "-o", "erra=2"], "the fake 'twitter' has no option 'erra'; did you mean 'era'?\n"),
        (["twitter", "-o", "era=1999"], "era is 1999: expected one of 2013-2015, 2016-2020, 2020+\n"),
        (["crm", "-o", "url=https://a b"], "'https://a b' is no address of an API: expected a URL such as "),
        (["crm", "-o", "answer=" + "[" * 50_000], "-o answer: its value is nested too deeply\n"),
        (["twitter", "--port", "\uff18\uff10"], "Usage: retrysim serve "),
        (["\x1b[2J"], "Error: expected arguments without control characters; got '\\x1b[2J'\n"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(arguments, message):
    ran = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(message)
    assert "Traceback" not in ran.stderr
