"""Requests signed by an independent library (RFC 9421), and mutations of them.

Prints JSON lines. The first holds the keys: a shared secret and an Ed25519
public key, both as base64url; they are made anew at each run. Each other line
is a request: what it is, whether it is good, method, target, host, headers.
"""

import base64
import datetime
import json
import os
from types import SimpleNamespace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

HOST = "api.example.com"
SECRET = os.urandom(32)
PRIVATE = ed25519.Ed25519PrivateKey.generate()
KINDS = {"hmac": algorithms.HMAC_SHA256, "ed25519": algorithms.ED25519}
REQUIRED = ("@method", "@authority", "@path", "@query")
COVERED = {
    "parts": REQUIRED,
    "target uri": ("@method", "@target-uri"),
    "request target": ("@method", "@authority", "@request-target"),
    "headers": (*REQUIRED, "content-type", "x-two", "content-digest"),
    "forms": (
        *REQUIRED,
        "@scheme",
        '"@query-param";name="b"',
        '"x-two";bs',
        '"content-digest";key="sha-256"',
    ),
}


class Keys(HTTPSignatureKeyResolver):
    """The key of one kind, whatever it is called."""

    def __init__(self, kind):
        self.kind = kind

    def resolve_private_key(self, key_id):
        return SECRET if self.kind == "hmac" else PRIVATE

    def resolve_public_key(self, key_id):
        raise NotImplementedError


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def emit(what, good, request, **changes):
    headers = {**request.headers, **changes.pop("headers", {})}
    target = request.url.removeprefix(f"http://{HOST}")
    line = {"what": what, "good": good, "method": request.method, "target": target, "host": HOST}
    line |= {"headers": [[n, v] for n, v in headers.items() if v is not None], **changes}
    print(json.dumps(line))


def signed(kind, covered=REQUIRED, age=0, nonce=None, method="GET", url=None, **more):
    headers = {
        "Content-Type": "text/plain",
        "X-Two": "one, two",
        "Content-Digest": "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:",
    }
    request = SimpleNamespace(
        method=method, url=url or f"http://{HOST}/a/b-c/%7Bd%7D?b=x+y&c=%C3%A9&d", headers=headers
    )
    created = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    HTTPMessageSigner(signature_algorithm=KINDS[kind], key_resolver=Keys(kind)).sign(
        request,
        key_id=more.pop("key_id", kind),
        created=created,
        nonce=None if nonce == "" else nonce or b64(os.urandom(16)),
        covered_component_ids=covered,
        use_existing_digest=True,
        **more,
    )
    return request


def main():
    public = PRIVATE.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    print(json.dumps({"secret": b64(SECRET), "ed25519": b64(public)}))
    for kind in KINDS:
        for name, covered in COVERED.items():
            for n in range(3):
                emit(f"{kind} {name} {n}", True, signed(kind, covered))
        for n, url in enumerate(["/", "/x?", "/x/", "/x?a=1&a=2", "/a%20b?q=%2F..%2F"]):
            emit(f"{kind} url {n}", True, signed(kind, url=f"http://{HOST}{url}"))
        emit(f"{kind} without alg", True, signed(kind, include_alg=False))
        emit(f"{kind} minutes old", True, signed(kind, age=240))
        # Not over what the upstream would get.
        emit(f"{kind} dots", False, signed(kind, url=f"http://{HOST}/a/../b"))
        emit(f"{kind} %41", False, signed(kind, url=f"http://{HOST}/%41"))
        emit(f"{kind} port", False, signed(kind, url=f"http://{HOST}:8080/a"), target="/a")
        emit(f"{kind} too old", False, signed(kind, age=400))
        emit(f"{kind} of tomorrow", False, signed(kind, age=-86400))
        emit(f"{kind} without nonce", False, signed(kind, nonce=""))
        emit(f"{kind} tagged", False, signed(kind, tag="other"))
        emit(f"{kind} unknown key", False, signed(kind, key_id="nobody"))
        other = "ed25519" if kind == "hmac" else "hmac"
        emit(f"{kind} with the other's name", False, signed(kind, key_id=other, include_alg=False))
        for left_out in REQUIRED:
            covered = tuple(one for one in REQUIRED if one != left_out)
            emit(f"{kind} without {left_out}", False, signed(kind, covered))
        emit(f"{kind} other method", False, signed(kind), method="POST")
        emit(f"{kind} other host", False, signed(kind), host="www.example.com")
        emit(f"{kind} other path", False, signed(kind), target="/a/b-c/%7Bd%7D/?b=x+y&c=%C3%A9&d")
        emit(f"{kind} other query", False, signed(kind), target="/a/b-c/%7Bd%7D?b=x+y&c=%C3%A9")
        header = {"X-Two": "one, three"}
        emit(f"{kind} other header", False, signed(kind, COVERED["headers"]), headers=header)
        good = signed(kind)
        label, _, value = good.headers["Signature"].partition("=:")
        raw = bytearray(base64.b64decode(value.rstrip(":")))
        for at in range(0, len(raw), 3):
            changed = bytearray(raw)
            changed[at] ^= 1
            text = f"{label}=:{base64.b64encode(changed).decode()}:"
            emit(f"{kind} byte {at}", False, good, headers={"Signature": text})
        for name, text in [
            ("short", base64.b64encode(raw[:-1]).decode()),
            ("long", base64.b64encode(raw + b"\0").decode()),
            ("empty", ""),
        ]:
            emit(f"{kind} {name}", False, good, headers={"Signature": f"{label}=:{text}:"})
        given = good.headers["Signature-Input"]
        for name, text in [
            ("order", given.replace('"@method" "@authority"', '"@authority" "@method"')),
            ("another nonce", given.replace('nonce="', 'nonce="x')),
            ("label", given.replace(f"{label}=", "other=")),
            ("sf", given.replace('"@query"', '"@query" "x-two";sf')),
            ("gone", None),
        ]:
            emit(f"{kind} input: {name}", False, good, headers={"Signature-Input": text})
        emit(f"{kind} signature gone", False, good, headers={"Signature": None})


main()
