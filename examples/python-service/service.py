"""A service that knows nothing of TLS or certificates: the gateway in front of it has decided who may call.

Run it where the gateway alone can reach it:  python3 service.py 3000
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IDENTITY = ("X-Client-Account", "X-Client-Scopes", "X-Client-Fingerprint", "X-Request-Id")


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/events":
            return self.send_events()
        told = {name: self.headers.get_all(name, []) for name in IDENTITY}
        self.answer(200, {"account": self.headers["X-Client-Account"], "told": told, "names": sorted(self.headers.keys())})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201, {"account": self.headers["X-Client-Account"], "octets": len(body)})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_events(self):
        """One event after another, until the gateway hangs up: its caller has left, or may no longer call."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for count in range(1, 1_000_000):
                self.wfile.write(f"data: {count}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            print("event stream: the gateway hung up", file=sys.stderr, flush=True)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 3000), Service)
    print(server.server_address[1], flush=True)
    server.serve_forever()
