"""Good scenario files, as texts: the suite does not keep them as files, which pytest would play."""

from __future__ import annotations

#: The smallest scenario.
SMALL = """\
name: an add task
app: proj.celery:app
submit:
  - task: add
"""

#: The one of the documentation.
USER_200_CALLS = """\
# scenarios/user_200_calls.scenario.yaml
name: a 200-call user loses nothing
app: scenarios.apps.twitter_user:app    # what `celery -A` takes
env: {TWITTER_TOKEN: fake}              # set before the app is imported
start: 2015-08-03T12:00:00Z
celery: [worker, eager]                 # each value of a list is an item of its own
broker: memory                          # memory | redis; without it, the kind in the app's own URL
workers: {count: 1, concurrency: 4}
fakes:
  twitter: {era: 2013-2015}
submit:
  - {task: fetch_tweets, times: 200, kwargs: {user_id: 783214}}
expect:
  states: {SUCCESS: 200}
  retried: {tasks: 20, at: reset}
  story: {GET /1.1/statuses/user_timeline.json: 180x200 20x429 15m 20x200}
  elapsed: 15 minutes
  invariants: [every_task_settles, retries_start_at_reset, quota_is_respected]
"""

#: Every key that there is.
EVERY_KEY = """\
name: every key
app: proj.celery:app
description: |
  All of them.
tags: [slow, twitter]
xfail: celery#1234
requires: [celery>=5.4, "twitter"]
env:
  TOKEN: "1234"
start: 2015-08-03T17:30:00+05:30
seeds: 0..2
celery: [worker, eager]
broker: [memory, redis]
allow: [localhost:5432, subprocess]
strict: false
redact: acme-[0-9]+
conf: {task_acks_late: true, worker_prefetch_multiplier: 1}
database: test
files: scratch
setup: proj.setup:fill
workers:
  count: 2
  concurrency: [1, 4]
  queues: [high, low]
cost: {fetch_tweets: 2s, "*": 10 ms}
fakes:
  twitter:
  github: {limits: {core: 5 per hour}}
submit:
  - task: fetch_tweets
    times: 3
    args: [1, 1.5, true, null, 12_000, [x]]
    kwargs: {user_id: 783214}
    at: 2s
    every: 1m
    countdown: 30
    expires: 2015-08-03T13:00:00Z
    queue: high
    options: {priority: 3}
  - {task: add, at: 2015-08-03T12:00:05Z, eta: 2015-08-03T12:15:00Z, expires: 1h}
faults:
  - name: power cut
    kill: worker-1
    when: {event: api-called, task: fetch_tweets, endpoint: GET /items, answer: 429, attempt: 1, nth: 2}
    for: 10s
  - {delay: {task: add, queue: low, retries: 1, nth: 2, times: 3, by: 5s}}
  - {slow_results: 2s, at: 2015-08-03T12:00:05Z, for: 1m}
  - {deploy: worker-1, when: {event: task-started, after: 5s}, grace: 20s}
  - {skew_clock: worker-1, by: -30s, at: 1m, for: 1m}
  - {trouble: {kind: slow, task: "fetch_tweets#3", attempt: 1, endpoint: GET /items, nth: 2, times: 3, by: 5s}}
order: [{at: 5s, tie: 2, next: worker-1}]
idempotency: [{header: Idempotency-Key, endpoint: POST /items}, {argument: id}]
accept: [{twice: add, fault: worker_killed}, {late: add}, {failed: add}, {lost: add}, {hangs: [add]}]
until: 2h
limits: {events: 100000, virtual_time: 1 day, attempts_per_task: 50, task_steps: 1000, real_seconds: 5}
expect:
  states: {SUCCESS: 3, FAILURE: 1}
  retried: {tasks: 2, at: [2s, 4s]}
  attempts: 6
  elapsed: 15m
  timelines: {SUCCESS: 2, RETRY 900s SUCCESS: 1, RETRY 2s RETRY 2s FAILURE: 1}
  story:
    GET /items: 200
    github: {GET /user: 2x200  1h 200}
  calls:
    POST /items: {}
    twitter: {GET /items: {200: 3, 429: 1, refused: 2}}
  results: [1, 2, 3, null]
  exception: "ValueError: no such user"
  invariants: [every_task_settles, {quota_is_respected: {fake: twitter}}]
  violates: [effects_happen_once, {retries_follow_policy: {countdown: 2s}}]
expect_worker:
  differs_from: eager
expect_eager:
  attempts: {fetch_tweets: 3, add: 1}
  elapsed: 0s
"""

#: What the other leaves out: groups of workers, bursts, rates, users, ranges.
GROUPS_AND_RANGES = """\
name: groups and ranges
app: proj.celery:app
workers:
  - name: fast
    queues: [high]
    concurrency: 4
  - name: slow
    count: 2
submit:
  - task: fetch_tweets
    times: 3
    at: [0s, 15m, 2020-01-01T00:30:00Z]
    for_each:
      token: [alice, bob]
  - task: add
    times: 100
    rate: 100 per minute
expect:
  states: {SUCCESS: 100..118, FAILURE: 0..18}
  retried:
    tasks: 0..18
  attempts: 118..300
  elapsed: 30m..45m
  timelines: {SUCCESS: 100..118}
  calls:
    POST /items: {200: 0..5}
"""

#: Beat, groups with lists, and faults of every kind, a key a line.
FAULTS_AND_BEAT = """\
name: faults and beat
app: proj.celery:app
broker: redis
beat: true
redis: true
until: 2020-01-01T02:00:00Z
strict: false
allow: localhost:5432
workers:
  - name: fast
    count: [1, 2]
    concurrency: [1, 4]
    isolated: true
    pool: [prefork, threads]
    queues: high
  - name: slow
fakes:
  twitter:
submit:
  - task: fetch_tweets
    rate: 10 per minute
    times: 3
    expires: 1h
faults:
  - name: power cut
    kill: fast-1
    for: 10s
    when:
      event: task-started
      worker: fast-1
      task: fetch_tweets
      attempt: 2
      nth: 3
  - kill_child: slow
    when:
      event: api-called
      endpoint: GET /items
      answer: 429
  - stop: broker
    at: 1m
    for: 5s
    lose_data: true
  - restart: slow
    at: 2m
  - partition: slow
    at: 3m
    for: 1m
  - cut_connections: all
    at: 2020-01-01T00:05:00Z
  - cut_in_mid_answer: fast-1
    from: twitter
    at: 5m
  - slow_down: all
    by: 200ms
    at: 5m
    for: 10s
  - soft_stop: slow
    at: 6m
  - quit: slow
    at: 7m
  - slow_results: 2s
    at: 8m
  - skew_clock: sender
    by: 1.5
    at: 9m
  - drop:
      task: fetch_tweets
      nth: 2
      times: 3
  - duplicate:
      queue: high
      copies: 3
  - delay:
      retries: 1
      by: 5s
  - fail:
      task: add
limits:
  events: 1000
  attempts_per_task: 50
expect:
  violates:
    - no_task_is_lost
"""

#: One task, for which its attempts can be told.
FAULTS_OF_RABBITMQ = """\
name: what only a RabbitMQ does
app: scenarios.apps.add:app
broker: {rabbitmq: {version: [3.13, 4.3]}}
submit:
  - {task: add, args: [1, 2]}
faults:
  - close_connections: all
    at: 1m
  - raise_alarm: broker
    at: 2m
    for: 30s
expect:
  states: {SUCCESS: 1}
"""

ONE_TASK = """\
name: one task
app: proj.celery:app
seed: 7
run_for: 1h
celery:
  - worker
  - always_eager
workers:
  hostname: w1@host
submit:
  - task: add
expect:
  attempts_at:
    - 0s
    - 2s
expect_always_eager:
  differs_from: worker
"""

GOOD = {
    "one_task": ONE_TASK,
    "faults_and_beat": FAULTS_AND_BEAT,
    "faults_of_rabbitmq": FAULTS_OF_RABBITMQ,
    "groups_and_ranges": GROUPS_AND_RANGES,
    "small": SMALL,
    "user_200_calls": USER_200_CALLS,
    "every_key": EVERY_KEY,
}
