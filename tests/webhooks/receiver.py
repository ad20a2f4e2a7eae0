"""A receiver as a platform would write it, with the public library of Standard Webhooks from PyPI, unmodified.

Prints the port as its first line, then one JSON document for each request. Reads commands from standard input, one JSON
document a line: {"secret": "whsec_..."} and {"accept": true}. Ends with its standard input.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

state = {"secret": None, "accept": True}
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = {"id": headers.get("webhook-id"), "verified": True, "event": None}
        try:
            said["event"] = Webhook(state["secret"]).verify(body, headers)
        except WebhookVerificationError as error:
            said.update(verified=False, error=str(error))
        status = 401 if not said["verified"] else 204 if state["accept"] else 503
        with lock:
            print(json.dumps({**said, "status": status}), flush=True)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """The service is killed while it is connected."""


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    state.update(json.loads(line))
    with lock:
        print(json.dumps({"told": True}), flush=True)
os._exit(0)
