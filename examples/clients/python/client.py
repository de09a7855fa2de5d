#!/usr/bin/env python3
"""A client of Countersign in Python's standard library, which can make no key and no CSR: `openssl` does that.

    client.py enrol CA_URL TOKEN_FILE    a key and a certificate, for an enrolment token → client.pem
    client.py call URL                   calls URL every second, and takes up a renewed client.pem without a restart
    client.py renew CA_URL               another key and another certificate → client.pem

It works in the current folder, where ca.crt is the CA's root. client.pem is key, certificate and issuing CA.
"""

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
from urllib.parse import urlsplit


class Refused(Exception):
    """The CA or the service has said no."""


def enrol(ca_url, token_file):
    if os.path.exists("client.pem"):
        raise Refused("client.pem is there already: renew it, or move it away")
    token = read(token_file).strip()
    if not re.fullmatch(r"\w+", token, re.ASCII):
        raise Refused(f"{token_file} has no token")
    pending = pending_request()
    install(pending, ask(f"{ca_url}/v1/certificates", tls(), pending, {"Authorization": f"Bearer {token}"}))


def renew(ca_url):
    pending = pending_request()
    install(pending, ask(f"{ca_url}/v1/certificates/renew", tls("client.pem"), pending, {}))


def call(url):
    context = connection = used = None
    while True:
        try:
            # A renewal puts another file in its place.
            found = read("client.pem")
            if found != used:
                # A connection keeps the certificate of its handshake, so another certificate needs another connection.
                context, connection, used = tls("client.pem"), None, found
        except OSError as error:
            if not context:
                raise
            report(error)  # and go on with the one from before
        try:
            connection = connection or connect(url, context)
            print(send(connection, "GET", url).strip(), flush=True)
        except Refused as error:  # this may pass, as when an admin suspends and resumes it
            report(error)
        except (OSError, http.client.HTTPException) as error:
            report(error)
            connection = None
        time.sleep(1)


def pending_request():
    """Returns key and CSR (PEM), those of next.pem if it is there.

    They are on the disk before they are sent, and stay until there is a certificate. So when an answer gets lost, the next
    attempt sends the same CSR and is given the same answer. The CA takes another CSR for somebody else's: it refuses the
    token as used, or suspends the client as one whose key was copied.
    """
    if not os.path.exists("next.pem"):
        key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        # The CA takes nothing but the key from a CSR, so the name stays empty.
        write("next.pem.new", key + openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/", input=key))
        os.replace("next.pem.new", "next.pem")
    return read("next.pem")


def ask(url, context, pending, headers):
    """Sends the CSR and returns the chain (PEM): the certificate, then the issuing CA."""
    csr = re.search(r"-----BEGIN CERTIFICATE REQUEST-----.*?-----END CERTIFICATE REQUEST-----\n", pending, re.S)[0]
    types = {"Content-Type": "application/pkcs10", "Accept": "application/pem-certificate-chain"}
    return send(connect(url, context), "POST", url, csr, {**types, **headers})


def install(pending, chain):
    key = re.search(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", pending, re.S)[0]
    write("client.pem.new", key + chain)
    tls("client.pem.new")  # fails unless the certificate is the key's: what is there stays then
    os.replace("client.pem.new", "client.pem")
    os.remove("next.pem")


def tls(credential=None):
    read("ca.crt")  # of a file that is not there, `ssl` says no name
    context = ssl.create_default_context(cafile="ca.crt")  # and no other CA; it checks the server's name as well
    if credential:
        read(credential)
        context.load_cert_chain(credential)
    return context


def connect(url, context):
    address = urlsplit(url)
    return http.client.HTTPSConnection(address.hostname, address.port, context=context, timeout=30)


def send(connection, method, url, body=None, headers={}):
    address = urlsplit(url)
    connection.request(method, (address.path or "/") + (address.query and f"?{address.query}"), body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status in (200, 201):
        return text
    try:
        problem = json.loads(text)  # RFC 9457
        raise Refused(f"{problem['code']}: {problem['detail']}")
    except (ValueError, KeyError, TypeError):
        raise Refused(f"HTTP status {response.status}") from None


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    """A new file, for this user alone, and onto the disk. A rename puts it in its place at once, or not at all."""
    if os.path.lexists(path):
        os.remove(path)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def openssl(*arguments, input=""):
    return subprocess.run(["openssl", *arguments], input=input, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(error):
    print(error if isinstance(error, Refused) else f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["enrol" | "call" | "renew", url, *_] if not url.startswith("https://"):
                raise Refused("the URL has to begin with https://")
            case ["enrol", ca_url, token_file]:
                enrol(ca_url.rstrip("/"), token_file)
            case ["call", url]:
                call(url)
            case ["renew", ca_url]:
                renew(ca_url.rstrip("/"))
            case _:
                sys.exit(__doc__)
    except (Refused, OSError, ValueError, http.client.HTTPException, subprocess.CalledProcessError) as error:
        report(error)
        sys.exit(1)
