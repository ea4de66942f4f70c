"""Tokens of three independent libraries, good ones and mutations of them.

Prints JSON lines. The first holds the public keys ("jwks"), one of them in PEM
("pem") and the shared secrets ("secrets"); each other line is a token:
library, algorithm, what it is, the token, and whether it is good. The keys are
made anew at each run.
"""

import base64
import functools
import hashlib
import hmac
import json
import os
import time
import warnings

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

# `EdDSA` is on its way to be called `Ed25519` (RFC 9864).
warnings.simplefilter("ignore")

ISSUER = "https://id.example.com"
AUDIENCE = "library-test"
NOW = int(time.time())

RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
CURVES = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
    "ES256K": ec.SECP256K1(),
}
HMAC = {"HS256": 32, "HS384": 48, "HS512": 64}
ALGORITHMS = [*RSA, *CURVES, "EdDSA", *HMAC]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def make_keys():
    """A private key (or a secret) for each algorithm."""
    one_rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = {alg: one_rsa for alg in RSA}
    keys |= {alg: ec.generate_private_key(curve) for alg, curve in CURVES.items()}
    keys["EdDSA"] = ed25519.Ed25519PrivateKey.generate()
    keys |= {alg: os.urandom(size) for alg, size in HMAC.items()}
    return keys


def with_pyjwt(header, claims, alg, key):
    return pyjwt.encode(claims, key, algorithm=alg, headers=header)


@functools.cache
def joserfc_key(alg, key):
    if alg in HMAC:
        return joserfc_jwk.import_key(key, "oct")
    return joserfc_jwk.import_key(pem(key), {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[alg[:2]])


def with_joserfc(header, claims, alg, key):
    payload = json.dumps(claims).encode()
    return joserfc_jws.serialize_compact(
        {"alg": alg, **header}, payload, joserfc_key(alg, key), algorithms=[alg]
    )


@functools.cache
def jwcrypto_key(alg, key):
    if alg in HMAC:
        return jwcrypto_jwk.JWK(kty="oct", k=b64(key))
    return jwcrypto_jwk.JWK.from_pem(pem(key))


def with_jwcrypto(header, claims, alg, key):
    token = jwcrypto_jwt.JWT(header={"alg": alg, **header}, claims=claims, algs=[alg])
    token.make_signed_token(jwcrypto_key(alg, key))
    return token.serialize()


LIBRARIES = {"pyjwt": with_pyjwt, "joserfc": with_joserfc, "jwcrypto": with_jwcrypto}


def jwk(key, alg, kid):
    public = jwcrypto_jwk.JWK.from_pem(public_pem(key)).export_public(as_dict=True)
    return {**public, "kid": kid, "alg": alg, "use": "sig"}


def good_claims(subject):
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "exp": NOW + 3600,
        "nbf": NOW - 60,
        "iat": NOW - 60,
        "jti": "t-1",
    }


def without(claims, name):
    return {key: value for key, value in claims.items() if key != name}


def signed(sign, alg, key, subject):
    """What the library signs itself: (what, token, good)."""
    claims = good_claims(subject)

    def token(header=None, **changes):
        typed = {"typ": "JWT", "kid": alg, **(header or {})}
        return sign(typed, {**claims, **changes}, alg, key)

    yield "good", token(), True
    yield "typ at+jwt", token({"typ": "at+jwt"}), True
    yield "several audiences", token(aud=["another", AUDIENCE]), True
    yield "expired", token(exp=NOW - 3600), False
    yield "not yet valid", token(nbf=NOW + 3600), False
    yield "issued in the future", token(iat=NOW + 3600), False
    yield "wrong audience", token(aud="another"), False
    yield "wrong issuer", token(iss=ISSUER + "/"), False
    yield "wrong typ", token({"typ": "secevent+jwt"}), False
    yield "kid of nobody", token({"kid": "nobody"}), False
    yield "kid of another key", token({"kid": "other-" + alg}), False
    yield "kid of another algorithm", token({"kid": "RS384" if alg == "RS256" else "RS256"}), False
    for name in ["exp", "aud", "iss", "sub"]:
        yield "no " + name, sign({"typ": "JWT", "kid": alg}, without(claims, name), alg, key), False


def mutated(token, alg, key):
    """What is done to a good token afterwards: (what, token)."""
    header, payload, signature = token.split(".")
    names = ["header", "payload", "signature"]
    for at, name in enumerate(names):
        parts = [header, payload, signature]
        whole = parts[at]
        for place, index in [("first", 0), ("middle", len(whole) // 2), ("last", len(whole) - 1)]:
            flipped = "B" if whole[index] == "A" else "A"
            parts[at] = whole[:index] + flipped + whole[index + 1 :]
            yield f"{place} character of the {name} changed", ".".join(parts)
        parts[at] = whole + "=" * (-len(whole) % 4 or 4)
        yield f"padding after the {name}", ".".join(parts)
        parts[at] = ""
        yield f"no {name}", ".".join(parts)
    raw = bytearray(unb64(signature))
    raw[len(raw) // 3] ^= 1
    yield "a bit of the signature flipped", f"{header}.{payload}.{b64(raw)}"
    yield "a signature of zeros", f"{header}.{payload}.{b64(bytes(len(raw)))}"
    yield "a part too many", token + ".AAAA"
    yield "an empty part too many", token + "."
    yield "a part too few", f"{header}.{payload}"
    yield "five parts", token + ".AAAA.AAAA"

    def headed(changes):
        return b64(json.dumps({**json.loads(unb64(header)), **changes}).encode())

    for none in ["none", "None", "NONE"]:
        yield f"alg {none}", f"{headed({'alg': none})}.{payload}."
        yield f"alg {none} and a signature", f"{headed({'alg': none})}.{payload}.{signature}"
    for other in ["RS256", "PS256", "ES256", "EdDSA", "HS256"]:
        if other != alg:
            yield f"alg swapped to {other}", f"{headed({'alg': other})}.{payload}.{signature}"
            both = headed({"alg": other, "kid": other})
            yield f"alg and kid swapped to {other}", f"{both}.{payload}.{signature}"
    if alg in HMAC:
        return
    text = public_pem(key)
    for what, secret in [("PEM", text), ("PEM without its end", text.strip()), ("blank and PEM", b" " + text)]:
        for kid in [alg, "HS256"]:
            said = f"{headed({'alg': 'HS256', 'kid': kid})}.{payload}"
            mac = hmac.new(secret, said.encode(), hashlib.sha256).digest()
            yield f"HS256 with the public key ({what}), kid {kid}", f"{said}.{b64(mac)}"
    if alg in CURVES:
        half = len(raw) // 2
        r, s = (int.from_bytes(n, "big") for n in (unb64(signature)[:half], unb64(signature)[half:]))
        yield "the signature in DER", f"{header}.{payload}.{b64(encode_dss_signature(r, s))}"


def main():
    keys, others = make_keys(), make_keys()
    public = [alg for alg in ALGORITHMS if alg not in HMAC]
    in_pem = "ES256K"
    jwks = [jwk(keys[alg], alg, alg) for alg in public if alg != in_pem]
    jwks += [jwk(others[alg], alg, "other-" + alg) for alg in public]
    secrets = {alg: b64(keys[alg]) for alg in HMAC}
    secrets |= {"other-" + alg: b64(others[alg]) for alg in HMAC}
    source = {"alg": in_pem, "kid": in_pem, "key": public_pem(keys[in_pem]).decode()}
    print(json.dumps({"jwks": jwks, "pem": source, "secrets": secrets}))
    for library, sign in LIBRARIES.items():
        for alg in ALGORITHMS:
            key = keys[alg]
            subject = f"{library}-{alg}"
            cases = list(signed(sign, alg, key, subject))
            good = cases[0][1]
            cases += [(what, token, False) for what, token in mutated(good, alg, key)]
            for what, token, is_good in cases:
                case = {"library": library, "algorithm": alg, "what": what, "good": is_good}
                print(json.dumps({**case, "token": token}))


if __name__ == "__main__":
    main()
