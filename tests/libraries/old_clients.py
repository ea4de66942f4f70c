"""Programs in the manner of old marketplace clients, each with the habit that it would
break by. They use four HTTP libraries, and none that this project wrote.

Arguments: the gateway over http, over https, the file of the authority, a token of all
scopes, a token of the plan `tiny`. Prints a JSON line for each habit that it kept, or
fails with what it tripped over.
"""

import http.client
import json
import re
import socket
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

import requests
import urllib3

HTTP, HTTPS, CA, TOKEN, TINY = sys.argv[1:]
HOST = "marketplace.example.com"
API = "api.example.com"
KEY = "pk_demo_northwind_0123456789abcdef0123456789"
BUYER = "pk_demo_quillhaven_0123456789abcdef012345678"
KNOWN = "d2b5a1c0-7f3e-4a68-9c11-3f0a5b7e9c42"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
# Old clients give up after that.
PATIENCE = 14


def need(condition, *why):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in why))


def strings(value):
    """Every scalar of a legacy answer is a string."""
    if isinstance(value, dict):
        return all(strings(member) for member in value.values())
    if isinstance(value, list):
        return all(strings(item) for item in value)
    return isinstance(value, str)


def in_ruby(base):
    """A gem on Net::HTTP: the reason phrase is the message, anything but 200 an error,
    and the envelope is named after the set."""
    headers = {
        "Host": HOST,
        "User-Agent": "marketplace-ruby/1.2",
        "Accept": "*/*",
        "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
    }

    def fetch(path):
        answer = requests.get(base + path, headers=headers, timeout=PATIENCE, verify=CA, allow_redirects=False)
        if answer.status_code != 200:
            raise RuntimeError(answer.reason)
        return answer.json()

    for version in ("edge", "v3"):
        for name in ("vitals", "account", "statement", "recent-sales", "earnings-and-sales-by-month"):
            found = fetch(f"/api/{version}/northwind/{KEY}/{name}.json")
            need(list(found) == [name], "envelope", list(found))
            need(found[name] and strings(found), name, found)
    need(float(fetch(f"/api/v3/northwind/{KEY}/vitals.json")["vitals"]["balance"]) == 623.4, "balance")
    purchase = fetch(f"/api/v3/northwind/{KEY}/verify-purchase:{KNOWN}.json")["verify-purchase"]
    need(purchase["licence"] == "Regular Licence", purchase)
    need(fetch(f"/api/v3/northwind/{KEY}/verify-purchase:{UNKNOWN}.json") == {"verify-purchase": {}}, "unknown")
    try:
        fetch(f"/api/v3/northwind/{KEY}x/vitals.json")
        need(False, "a wrong key passed")
    except RuntimeError as error:
        need(str(error) == "Forbidden", error)


def in_php_by_curl(base):
    """A class on libcurl: it asks for gzip and reads the bytes as they come, looks at
    `error_message` before the status, and gives up after 14 s."""
    pool = urllib3.PoolManager(ca_certs=CA, retries=False, timeout=PATIENCE)

    def fetch(path, host=HOST, lines=()):
        headers = {"Host": host, "User-Agent": "marketplace-php/0.9", "Accept": "*/*", "Accept-Encoding": "gzip"}
        headers.update(lines)
        answer = pool.request("GET", base + path, headers=headers, decode_content=False, redirect=False)
        found = json.loads(answer.data)
        need("error_message" not in found, found)
        return answer.status, found, answer.headers

    status, found, _ = fetch("/api/v3/popular:themeforest.json")
    need(status == 200 and len(found["popular"]["items_last_week"]) > 1, found)
    status, found, _ = fetch(f"/api/v3/quillhaven/{BUYER}/download-purchase:{KNOWN}.json")
    need(status == 200 and found["download-purchase"]["download_url"].startswith("https://"), found)
    # The current API, by the old conventions.
    key = {"X-Api-Key": KEY}
    status, found, headers = fetch("/v1/market/private/user/account.json", API, key)
    need(status == 200 and found["account"]["balance"] == "623.40" and strings(found), found)
    need(headers["X-Ratelimit-Total"] == "100", dict(headers))
    need(int(headers["X-Ratelimit-Remaining"]) < 100, dict(headers))
    status, found, _ = fetch(f"/v3/market/author/sale?code={UNKNOWN}", API, key)
    need(status == 200 and found["description"].startswith("No sale belonging to the current user"), found)
    # What went wrong is read out of the body, whatever the status.
    status, found, _ = fetch("/v3/market/author/sales", API)
    need(found == {"error": "access_denied", "error_description": "Wrong authorization header"}, found)
    status, found, _ = fetch("/api/v3/user:northwind.json", HOST, {"X-Demo-Fault": "status=502"})
    need(status == 500 and found["message"] == "Invalid response from backend", found)


def in_wordpress(base):
    """A plugin on the HTTP API of WordPress: what is no 200 with JSON in it is a fault,
    and one text in `error_description` blocks its user."""
    context = ssl.create_default_context(cafile=CA)

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))

    def fetch(path, host, lines=()):
        request = urllib.request.Request(base + path)
        request.add_header("Host", host)
        request.add_header("User-Agent", "WordPress - Marketplace 1.0")
        request.add_header("Accept-Encoding", "deflate;q=1.0, compress;q=0.5, gzip;q=0.5")
        request.add_header("Connection", "close")
        for name, value in lines:
            request.add_header(name, value)
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as answer:
            return answer.status, json.loads(answer.read()), answer.headers

    # Schemes in every spelling that there was.
    for scheme in ("Bearer", "bearer", "BEARER", "token", "Token"):
        status, found, headers = fetch("/whoami", API, [("Authorization", f"{scheme} {TOKEN}")])
        need(status == 200 and "purchase:list" in found["scopes"], scheme, status, found)
        need(headers["Content-Type"].startswith("application/json"), headers)
    status, found, headers = fetch("/v1/market/private/user/username.json", API, [("Authorization", "Bearer x.y.z")])
    need(status == 403 and found["error_description"] == "Wrong authorization header", status, found)
    need("problem" not in headers["Content-Type"], headers)
    status, found, _ = fetch(f"/api/v2/quillhaven/{BUYER}/wp-list-themes.json", HOST)
    need(status == 200 and found["wp-list-themes"][0]["version"], found)
    status, found, _ = fetch(f"/api/v2/quillhaven/{BUYER}/wp-download:4615.json", HOST)
    need(status == 200 and found["wp-download"]["url"].startswith("https://"), found)


def in_php_by_streams(base):
    """`file_get_contents` speaks HTTP/1.0, reads until the connection is closed, and
    finds headers by their case."""
    parts = urllib.parse.urlsplit(base)
    raw = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)
    if parts.scheme == "https":
        raw = ssl.create_default_context(cafile=CA).wrap_socket(raw, server_hostname=parts.hostname)
    with raw:
        raw.sendall(f"GET /api/edge/item:4615.json HTTP/1.0\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := raw.recv(65536):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    need(re.fullmatch(r"HTTP/1\.[01] 200 OK", lines[0]), lines[0])
    need("X-Ratelimit-Total: 100" in lines and "X-Powered-By: Express" in lines, lines)
    need(not any(line.lower().startswith("transfer-encoding") for line in lines), lines)
    need(json.loads(body)["item"]["cost"] == "12.00", body)


def that_encode(base):
    """Some encode `:` and `,` in the path, some send `|` as it is; all mean the same."""
    parts = urllib.parse.urlsplit(base)

    def fetch(path):
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=CA)
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=PATIENCE, context=context)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
        connection.request("GET", path, headers={"Host": HOST, "Accept": "*/*"})
        answer = connection.getresponse()
        need(answer.status == 200, path, answer.status, answer.getheader("location"))
        return json.loads(answer.read())

    plain = fetch("/api/v1/search:themeforest,,quiet|harbour.json")
    need(len(plain["search"]) == 2, plain)
    need(fetch("/api/v1/" + urllib.parse.quote("search:themeforest,,quiet|harbour") + ".json") == plain, "encoded")
    files = fetch("/api/v2/new-files-from-user:northwind,themeforest.json")
    need(fetch("/api/v2/new-files-from-user%3Anorthwind%2Cthemeforest.json") == files, "encoded")


def that_wait(base):
    """`Retry-After` is read as an integer, and the message out of `description`."""
    session = requests.Session()
    session.headers.update({"Host": API, "X-Api-Dialect": "2015", "Authorization": f"Bearer {TINY}"})
    for _ in range(6):
        answer = session.get(base + "/v1/market/private/user/username.json", timeout=PATIENCE, verify=CA)
        if answer.status_code != 200:
            break
    need(answer.status_code == 429, answer.status_code)
    need(0 < int(answer.headers["Retry-After"]) <= 60, answer.headers)
    need(answer.json() == {"error": 429, "description": "Too many requests"}, answer.text)


for scheme, base in (("http", HTTP), ("https", HTTPS)):
    for client in (in_ruby, in_php_by_curl, in_wordpress, in_php_by_streams, that_encode, that_wait):
        client(base)
        print(json.dumps({"client": client.__name__, "over": scheme}))
