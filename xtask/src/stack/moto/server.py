"""moto's server with AWS KMS as its documentation says, and with faults on order.

moto 5.2 keeps the state of a key but does not ask it when it encrypts or decrypts; AWS does:
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html. Faults: POST /lock-faults with
{"operation": "Decrypt", "kind": "error" | "late" | "silent" | "broken" | "html", "code": "...", "status": 400, "seconds": 1, "times": 1}.
With "purpose" only calls with that purpose in their encryption context are meant; {"kind": "clear"} takes all orders back.
"late" acts and answers after so many seconds; "silent" answers nothing for so long and then acts; "broken" acts and answers half.
"""

import json
import sys
import threading
import time

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

FAULTS, CALLS, LOCK = [], {}, threading.Lock()
CRYPTO = {"Encrypt", "Decrypt", "ReEncrypt"}


def region_of(environ):
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 2 else "us-east-1"


def refusal(operation, body, region):
    """The error of a key that is not enabled, if the operation needs such a key."""
    backend = get_backend("kms")[DEFAULT_ACCOUNT_ID][region]
    import base64

    names = []
    if operation in ("Encrypt", "ReEncrypt"):
        names.append(body.get("KeyId") or body.get("DestinationKeyId"))
    if operation in ("Decrypt", "ReEncrypt"):
        # moto's ciphertext begins with the key's id.
        names.append(base64.b64decode(body["CiphertextBlob"])[:36].decode("ascii", "replace"))
    for name in names:
        try:
            key = backend.describe_key(name)
        except Exception:
            continue
        if key.key_state == "Disabled":
            return "DisabledException", "%s is disabled." % key.arn
        if key.key_state != "Enabled":
            return "KMSInvalidStateException", "%s is pending deletion." % key.arn
    return None


def ordered(operation, body):
    context = body.get("EncryptionContext") or body.get("SourceEncryptionContext") or {}
    with LOCK:
        CALLS[operation] = CALLS.get(operation, 0) + 1
        for fault in FAULTS:
            meant = fault.get("purpose") in (None, context.get("purpose"))
            if fault["operation"] in (operation, "*") and meant and fault["times"] > 0:
                fault["times"] -= 1
                fault["met"] += 1
                return fault
    return None


def error(start, status, code, message):
    body = json.dumps({"__type": code, "message": message}).encode()
    start("%d Refused" % status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
    return [body]


class Application:
    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length)
        if environ["PATH_INFO"] == "/lock-faults":
            with LOCK:
                if environ["REQUEST_METHOD"] == "POST":
                    order = {"times": 1, "seconds": 0, "status": 400, "code": "Whatever", "met": 0, **json.loads(raw)}
                    FAULTS[:] = [] if order["kind"] == "clear" else FAULTS + [order]
                body = json.dumps({"calls": CALLS, "faults": FAULTS}).encode()
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        import io

        environ["wsgi.input"] = io.BytesIO(raw)
        target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if target != "TrentService" or operation not in CRYPTO:
            return self.moto(environ, start)
        fault = ordered(operation, json.loads(raw))
        kind = fault and fault["kind"]
        if kind == "error":
            return error(start, fault["status"], fault["code"], "ordered")
        if kind == "html":
            body = b"<html><body>Bad gateway</body></html>"
            start("502 Bad Gateway", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
            return [body]
        if kind == "silent":
            time.sleep(fault["seconds"])
        refused = refusal(operation, json.loads(raw), region_of(environ))
        if refused:
            return error(start, 400, *refused)
        answer = b"".join(self.moto(environ, start))
        if kind == "late":
            time.sleep(fault["seconds"])
        return [answer[: len(answer) // 2] if kind == "broken" else answer]


server = make_server("127.0.0.1", int(sys.argv[1]), Application(), threaded=True)
print("MOTO_READY", flush=True)
server.serve_forever()
