"""What clients are told, in each dialect, as an independent parser of structured fields
reads it (http_sf). GitHub's fields are read by PyGithub.

Prints a JSON line for each dialect. Argument: where the gateway listens.
"""

import http.client
import json
import sys

import github
import http_sf

ADDRESS = sys.argv[1]


def fields(dialect):
    connection = http.client.HTTPConnection(ADDRESS, timeout=15)
    connection.request("GET", "/", headers={"x-dialect": dialect, "x-caller": f"sf-{dialect}"})
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status
    found = {}
    for name, value in response.getheaders():
        if "ratelimit" in name.lower().replace("-", ""):
            assert name not in found, name
            found[name.lower()] = value.encode()
    connection.close()
    return found


def emit(dialect, **what):
    print(json.dumps({"dialect": dialect} | what))


def plain(item):
    """A value and its parameters as JSON has them."""
    value, parameters = item
    return [str(value) if isinstance(value, http_sf.Token) else value, dict(parameters)]


def listed(value):
    return [plain(item) for item in http_sf.parse(value, tltype="list")]


def main():
    found = fields("ietf")
    assert set(found) == {"ratelimit-policy", "ratelimit"}, found
    emit("ietf", policy=listed(found["ratelimit-policy"]), left=listed(found["ratelimit"]))
    found = fields("draft_7")
    assert set(found) == {"ratelimit-policy", "ratelimit"}, found
    left = http_sf.parse(found["ratelimit"], tltype="dictionary")
    left = {name: plain(item)[0] for name, item in left.items()}
    emit("draft_7", policy=listed(found["ratelimit-policy"]), left=left)
    found = fields("draft_3")
    three = [f"x-ratelimit-{part}" for part in ("limit", "remaining", "reset")]
    assert set(found) == set(three), found
    left = [plain(http_sf.parse(found[name], tltype="item"))[0] for name in three[1:]]
    emit("draft_3", policy=listed(found[three[0]]), left=left)
    found = fields("legacy")
    two = [f"x-ratelimit-{part}" for part in ("total", "remaining")]
    assert set(found) == set(two), found
    emit("legacy", left=[plain(http_sf.parse(found[name], tltype="item"))[0] for name in two])
    emit("none", left=sorted(fields("none")))

    # By its user agent PyGithub is told what it knows.
    client = github.Github(base_url=f"http://{ADDRESS}", retry=None)
    headers, _ = client.requester.requestJsonAndCheck("GET", "/")
    remaining, limit = client.rate_limiting
    assert client.rate_limiting_resettime == int(headers["x-ratelimit-reset"]), headers
    emit("github", left=[limit, remaining], reset=client.rate_limiting_resettime)


main()
