"""Clients that act on what they are told: each asks until it is refused, sleeps as its
library says, and has to pass then.

Sleeping is patched: it is noted, and done. So what is asserted is what a client was told
and what it made of it, not how long anything took. Prints a JSON line for each client.
Argument: where the gateway listens.
"""

import json
import sys
import time
from unittest import mock

import github
import requests
import tweepy
import urllib3

ADDRESS = sys.argv[1]
# More than the limit lets through at once.
MOST = 60


class Sleeper:
    """Stands for the module `time` in a library."""

    def __init__(self):
        self.slept = []
        self.now = time.time()

    def time(self):
        self.now = time.time()
        return self.now

    def sleep(self, seconds):
        self.slept.append((seconds, self.now))
        time.sleep(seconds)

    def __getattr__(self, name):
        return getattr(time, name)


def emit(client, sleeper, told, statuses):
    assert sleeper.slept, f"{client} never had to sleep: {statuses}"
    slept = [seconds for seconds, _ in sleeper.slept]
    print(json.dumps({"client": client, "slept": slept, "told": told, "statuses": statuses}))


def with_urllib3():
    told, statuses = [], []

    class Noting(urllib3.Retry):
        def increment(self, method=None, url=None, response=None, *more, **others):
            told.append(int(response.headers["retry-after"]))
            return super().increment(method, url, response, *more, **others)

    sleeper = Sleeper()
    with mock.patch("urllib3.util.retry.time", sleeper):
        pool = urllib3.PoolManager(headers={"x-caller": "urllib3"}, retries=Noting(total=3))
        while len(sleeper.slept) < 2 and len(statuses) < MOST:
            response = pool.request("GET", f"http://{ADDRESS}/slow", timeout=15)
            statuses.append((response.status, len(response.retries.history)))
    emit("urllib3", sleeper, told, statuses)


def with_requests():
    """Without a retry of its own: as its users write it."""
    told, statuses = [], []
    adapter = requests.adapters.HTTPAdapter(
        max_retries=urllib3.Retry(total=3, status_forcelist=[429], backoff_factor=0)
    )
    sleeper = Sleeper()
    with mock.patch("urllib3.util.retry.time", sleeper), requests.Session() as session:
        session.mount("http://", adapter)
        session.headers["x-caller"] = "requests"
        while len(sleeper.slept) < 2 and len(statuses) < MOST:
            response = session.get(f"http://{ADDRESS}/slow", timeout=15)
            statuses.append((response.status_code, len(response.raw.retries.history)))
    emit("requests", sleeper, told, statuses)


def with_github():
    told, statuses = [], []

    class Noting(github.GithubRetry):
        def increment(self, method=None, url=None, response=None, *more, **others):
            told.append(int(response.headers["retry-after"]))
            assert response.headers["x-ratelimit-remaining"] == "0", response.headers
            return super().increment(method, url, response, *more, **others)

    sleeper = Sleeper()
    with mock.patch("urllib3.util.retry.time", sleeper):
        client = github.Github(
            base_url=f"http://{ADDRESS}",
            retry=Noting(total=3),
            seconds_between_requests=None,
            user_agent="PyGithub/Python",
        )
        while len(sleeper.slept) < 2 and len(statuses) < MOST:
            client.requester.requestJsonAndCheck("GET", "/slow")
            statuses.append((200, 0))
            remaining, limit = client.rate_limiting
            assert 0 <= remaining < limit, (remaining, limit)
    emit("PyGithub", sleeper, told, statuses)


class Plain(requests.adapters.HTTPAdapter):
    """To the gateway without TLS."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def send(self, request, **more):
        request.url = request.url.replace("https://", "http://")
        response = super().send(request, **more)
        if response.status_code == 429:
            self.told.append(int(response.headers["x-rate-limit-reset"]))
        return response


def with_tweepy():
    resets, statuses = [], []
    sleeper = Sleeper()
    with mock.patch("tweepy.api.time", sleeper):
        client = tweepy.API(
            tweepy.OAuth2BearerHandler("a-test-token"),
            host=ADDRESS,
            wait_on_rate_limit=True,
            retry_count=3,
            retry_delay=0,
        )
        client.session.mount("https://", Plain(resets))
        client.session.headers["x-caller"] = "tweepy"
        client.session.headers["x-dialect"] = "twitter"
        while len(sleeper.slept) < 2 and len(statuses) < MOST:
            client.request("GET", "rate", parser=tweepy.parsers.RawParser())
            statuses.append((client.last_response.status_code, 0))
    # One second more than it is told, by the clock when it decided.
    told = [reset - int(now) + 1 for reset, (_, now) in zip(resets, sleeper.slept, strict=True)]
    emit("tweepy", sleeper, told, statuses)


with_urllib3()
with_requests()
with_github()
with_tweepy()
