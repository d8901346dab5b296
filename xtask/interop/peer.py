"""Packages of PyPI behind the line protocol of xtask/peers: one JSON request per line on standard input,
one JSON answer per line on standard output. Octets travel as base64url without padding."""

import base64
import json
import os
import sys
import time

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid01, Vapid02
from pywebpush import WebPusher, webpush


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def parameters(request):
    given = {"version": request["coding"], "rs": request.get("rs") or 4096}
    if request.get("schedule") != "bare":
        given["auth_secret"] = octets(request["auth"])
    if request.get("salt"):
        given["salt"] = octets(request["salt"])
    return given


def encrypt(request):
    """{coding, schedule?, public, auth, text, rs?} to {body, dh, salt, rs}"""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    given = parameters(request)
    salt = os.urandom(16)
    given.update(private_key=key, dh=octets(request["public"]), salt=salt)
    body = http_ece.encrypt(octets(request["text"]), **given)
    return {"body": text(body), "dh": text(point), "salt": text(salt), "rs": given["rs"]}


def decrypt(request):
    """{coding, schedule?, private, auth, body, dh?, salt?, rs?} to {text}"""
    key = ec.derive_private_key(int.from_bytes(octets(request["private"]), "big"), ec.SECP256R1())
    given = parameters(request)
    given["private_key"] = key
    if request.get("dh"):
        given["dh"] = octets(request["dh"])
    return {"text": text(http_ece.decrypt(octets(request["body"]), **given))}


def subscription(request):
    keys = {"p256dh": request["public"], "auth": request["auth"]}
    return {"endpoint": request["endpoint"], "keys": keys}


def encode(request):
    """What pywebpush makes of a text: {endpoint, public, auth, text, coding}"""
    made = WebPusher(subscription(request)).encode(octets(request["text"]), request["coding"])
    as_text = lambda value: value.decode() if value else None
    return {
        "body": text(made.get("body")),
        "dh": as_text(made.get("crypto_key")),
        "salt": as_text(made.get("salt")),
    }


def send(request):
    """pywebpush sends by itself: {subscription, text?, coding, ttl, private?, claims?}"""
    given = {"content_encoding": request["coding"], "ttl": request["ttl"], "timeout": 20}
    if request.get("private"):
        given.update(vapid_private_key=request["private"], vapid_claims=dict(request["claims"]))
    if request.get("headers"):
        given["headers"] = request["headers"]
    data = octets(request["text"]) if "text" in request else None
    answer = webpush(request["subscription"], data, **given)
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}


def sign(request):
    """{scheme, private, claims} to the header fields py-vapid makes"""
    kind = Vapid02 if request["scheme"] == "vapid" else Vapid01
    return kind.from_raw(request["private"].encode()).sign(dict(request["claims"]))


def check(request):
    """{token, public}: whether py-vapid accepts the signature"""
    signed, signature = request["token"].rsplit(".", 1)
    key = Vapid02.from_raw_public(request["public"].encode())
    return {"valid": key.verify_token(signed.encode(), signature)}


def read_key(request):
    """A private key in one form, {raw} or {pem} or {der}, to its public point"""
    if "raw" in request:
        key = Vapid02.from_raw(request["raw"].encode())
    elif "pem" in request:
        key = Vapid02.from_pem(request["pem"].encode())
    else:
        key = Vapid02.from_der(request["der"].encode())
    point = key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {"public": text(point)}


def new_keys(_):
    """New keys in the form py-vapid writes"""
    key = Vapid02()
    key.generate_keys()
    point = key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {"public": text(point), "forms": {"PEM": key.private_pem().decode()}}


def timed(count, work):
    """What the process spends while it does something so many times"""
    before = time.process_time_ns()
    total = sum(work() for _ in range(count))
    return {"nanoseconds": time.process_time_ns() - before, "octets": total}


def time_pywebpush(request):
    """A body and a token each, as its webpush() makes them: {endpoint, public, auth, text, vapid, subject, count}"""
    data = octets(request["text"])
    audience = "/".join(request["endpoint"].split("/")[:3])

    def one():
        claims = {"sub": request["subject"], "aud": audience, "exp": int(time.time()) + 43200}
        fields = Vapid02.from_raw(request["vapid"].encode()).sign(claims)
        body = WebPusher(subscription(request)).encode(data, request["coding"])["body"]
        return len(body) + len(fields["Authorization"])

    return timed(request["count"], one)


def time_http_ece(request):
    """A body with a fresh key and salt each: {public, auth, text, count}"""
    data, receiver, auth = octets(request["text"]), octets(request["public"]), octets(request["auth"])

    def one():
        key = ec.generate_private_key(ec.SECP256R1())
        given = {"private_key": key, "dh": receiver, "auth_secret": auth, "salt": os.urandom(16)}
        return len(http_ece.encrypt(data, version="aes128gcm", **given))

    return timed(request["count"], one)


OPERATIONS = {
    "encrypt": encrypt,
    "decrypt": decrypt,
    "encode": encode,
    "send": send,
    "vapid-sign": sign,
    "vapid-check": check,
    "vapid-read-key": read_key,
    "vapid-new-keys": new_keys,
    "time-pywebpush": time_pywebpush,
    "time-http-ece": time_http_ece,
}

for line in sys.stdin:
    try:
        request = json.loads(line)
        answer = {"ok": OPERATIONS[request["op"]](request)}
    except Exception as error:  # the message is the answer, whatever went wrong
        answer = {"error": f"{type(error).__name__}: {error} {getattr(error, 'message', '')}".strip()}
    print(json.dumps(answer), flush=True)
