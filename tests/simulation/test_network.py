"""Served hosts from inside tasks, for both ways of HTTP that people use; what is not served; what is allowed."""

import urllib.request

import pytest
import requests
from celery import Celery

from retrysim import Simulation
from retrysim.errors import FakeError
from retrysim.fakes import Twitter

URL = "https://api.twitter.com/1.1/statuses/user_timeline.json?user_id=1&oauth_token=secret-token"


@pytest.fixture(scope="module")
def app():
    app = Celery("network", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="by_urllib", shared=False)
    def by_urllib(url=URL):
        with urllib.request.urlopen(url) as response:
            return response.status

    @app.task(name="by_requests", shared=False)
    def by_requests(url=URL):
        response = requests.get(url, timeout=5)
        return response.status_code, response.headers.get("x-rate-limit-remaining")

    return app


@pytest.fixture
def sim(app):
    with Simulation(start="2015-08-03T12:00:00Z") as simulation:
        simulation.start_worker(app)
        yield simulation


def test_urllib_and_requests_reach_the_same_fake(sim, app):
    twitter = sim.serve(Twitter())

    assert app.tasks["by_urllib"].delay().get() == 200
    assert app.tasks["by_requests"].delay().get() == [200, "178"]
    assert twitter.story("GET /1.1/statuses/user_timeline.json") == "2x200"


def test_http_and_https_are_served_alike(sim, app):
    sim.serve(Twitter())

    assert app.tasks["by_requests"].delay(URL.replace("https", "http")).get()[0] == 200


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_does_not_matter(sim, app, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://proxy.invalid:3128")
    sim.serve(Twitter())

    assert app.tasks["by_urllib"].delay().get() == 200
    assert app.tasks["by_requests"].delay().get()[0] == 200


def test_a_fake_at_another_host_answers_there(sim, app):
    twitter = sim.serve(Twitter(), at="https://gateway.acme.io")

    assert app.tasks["by_requests"].delay(URL.replace("api.twitter.com", "gateway.acme.io")).get()[0] == 200
    assert len(twitter.calls) == 1


def test_a_second_fake_of_the_same_host_is_refused(sim):
    sim.serve(Twitter())

    with pytest.raises(FakeError) as caught:
        sim.serve(Twitter())
    assert str(caught.value) == "api.twitter.com is served already: serve a second fake of it at another host, with at="


@pytest.mark.parametrize("task", ["by_urllib", "by_requests"])
def test_a_host_that_nobody_serves_is_an_error_that_shows_the_line_to_paste(sim, app, task):
    sim.serve(Twitter(era="2013-2015"))
    result = app.tasks[task].delay("https://crm.acme.io/contacts")
    sim.run()

    assert sim.task(result.id).failure.exception == (
        "UnservedHost: a task called https://crm.acme.io:443, which no fake serves (served: api.twitter.com, "
        'upload.twitter.com). Serve it: sim.serve(API("https://crm.acme.io", ...)); or let it be real: '
        'sim.allow("crm.acme.io:443")'
    )


def test_a_host_that_is_allowed_is_really_called(sim, app):
    sim.allow("127.0.0.1:9")
    result = app.tasks["by_requests"].delay("http://127.0.0.1:9/")
    sim.run()

    assert sim.task(result.id).failure.exception.startswith("ConnectionError: ")


def test_calls_carry_task_and_attempt_and_no_token(sim, app):
    sim.serve(Twitter(limits={"statuses/user_timeline": "1 per minute"}))
    results = [app.tasks["by_requests"].delay() for _ in range(2)]
    sim.run()

    calls = [event for event in sim.trace if event.kind == "api-called"]
    assert [(call.task_id, call.attempt, call.status, call.partition, call.remaining) for call in calls] == [
        (results[0].id, 1, 200, "token-1", 0),
        (results[1].id, 1, 429, "token-1", 0),
    ]
    assert [sim.task(result.id).calls for result in results] == ["200", "429"]


def test_a_fake_works_alone_without_celery_and_without_a_simulation():
    from retrysim.fakes.request import Request

    twitter = Twitter(limits={"statuses/user_timeline": "2 per 15 minutes"})
    request = Request(
        method="GET",
        host="api.twitter.com",
        path="/1.1/statuses/user_timeline.json",
        query_string="user_id=1&oauth_token=t",
    )

    assert [twitter.handle(request).status for _ in range(3)] == [200, 200, 429]


def test_a_call_knows_the_attempt_of_the_task_that_made_it(sim, app):
    twitter = sim.serve(Twitter())
    result = app.tasks["by_requests"].delay()
    sim.run()

    assert [(call.task_id, call.attempt) for call in twitter.calls] == [(result.id, 1)]


def test_a_fake_that_outlives_a_simulation_tells_it_nothing_more(app):
    twitter = Twitter()
    with Simulation() as sim:
        sim.serve(twitter)

    assert twitter.observers == []
    with twitter.serving():
        assert requests.get(URL, timeout=5).status_code == 200
    assert [call.task_id for call in twitter.calls] == [None]


def test_a_fake_serves_and_mounts_without_a_simulation():
    import responses

    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        twitter.mount(mock)
        assert [requests.get(URL, timeout=5).status_code for _ in range(2)] == [200, 429]
