"""Counts of an independent library (limits) on schedules that are given: a JSON line each
on standard input, `algorithm`, `quota`, `window` (seconds), `steps` as [time, cost,
whether we let it pass].

Prints for each a list of [left before, is that a whole number, left afterwards], and fails
if the library refuses what we let pass. Time is what the schedule says.
"""

import json
import sys
from math import floor
from unittest import mock

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import STRATEGIES

NAMES = {"fixed_window": "fixed-window", "sliding_window": "sliding-window-counter"}


class Clock:
    now = 0.0

    def time(self):
        return self.now


CLOCK = Clock()


def used(limiter, item, quota, window):
    """What is used of a limit, fractions included."""
    if not hasattr(limiter, "_weighted_count"):
        return quota - limiter.get_window_stats(item).remaining
    key = item.key_for()
    before, rest, now, _ = limiter.storage.get_sliding_window(key, item.get_expiry())
    return limiter._weighted_count(item, before, rest, now)


def replay(algorithm, quota, window, steps):
    limiter = STRATEGIES[NAMES[algorithm]](MemoryStorage())
    said = []
    for at, cost, passed in steps:
        CLOCK.now = float(at)
        # The library's fixed windows begin with their first request, ours at multiples of
        # their length: each of ours is a limit of its own here.
        name = str(at // window) if algorithm == "fixed_window" else "all"
        item = RateLimitItemPerSecond(quota, window, namespace=name)
        before = used(limiter, item, quota, window)
        left = limiter.get_window_stats(item).remaining
        assert left == max(0, quota - floor(before)), (left, before)
        # What is refused costs nothing here; of fixed windows the library counts it too.
        assert limiter.test(item, cost=cost) == (cost <= quota - floor(before))
        if passed:
            assert limiter.hit(item, cost=cost), f"{algorithm} of {quota} at {at}"
        said.append([left, before == floor(before), limiter.get_window_stats(item).remaining])
    return said


def main():
    with mock.patch("time.time", CLOCK.time):
        for line in sys.stdin:
            print(json.dumps(replay(**json.loads(line))))


main()
