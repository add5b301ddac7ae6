"""An agent in Python, with nothing but the standard library: a push target that answers what is said on a stream.

    PORT=8000 OPENAI_API_KEY=... python3 agent.py

A subscription with the url http://127.0.0.1:8000/ brings it events. What it replies is recorded, with its cause, once.
OPENAI_BASE_URL is any server that speaks OpenAI's chat completions, OPENAI_MODEL a model of its. Without a key it
answers by a rule, and says so. It remembers nothing: each input is a conversation of its own.
"""

import json
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import environ
from urllib.request import Request, urlopen

BASE_URL = (environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").rstrip("/")
MODEL = environ.get("OPENAI_MODEL") or "gpt-4o-mini"
KEY = environ.get("OPENAI_API_KEY")
MAX_BODY_BYTES = 2 * 1024 * 1024


def answer(content):
    """What the model says, or a rule where there is no key."""
    if not KEY:
        return f"No model is set up, so this is a rule: you said {content!r}."
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    # The push itself is given up after 15 seconds, and tried again.
    with urlopen(Request(f"{BASE_URL}/chat/completions", json.dumps(body).encode(), headers), timeout=12) as reply:
        return json.load(reply)["choices"][0]["message"]["content"] + ""


def reply_to(event):
    """Events to append, or none: anyone may append anything, so a payload may be of any form."""
    payload = event.get("payload")
    content = payload.get("content") if isinstance(payload, dict) else None
    if event.get("type") != "agent/input-added" or not isinstance(content, str):
        return {}
    return {"append": [{"type": "agent/output-added", "payload": {"content": answer(content)}}]}


class Agent(BaseHTTPRequestHandler):
    timeout = 30  # seconds, of a sender that says no more

    def do_POST(self):
        try:
            length = int(self.headers.get("content-length", "0"))
            text = self.rfile.read(length) if 0 < length <= MAX_BODY_BYTES else "null"
            # A page in a browser may not send this type to another site without asking it first.
            if self.headers.get_content_type() != "application/json":
                return self.reply(415, {"error": "Send one event as application/json"})
            event = json.loads(text)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            return self.reply(400, {"error": "Send one event as JSON"})
        try:
            self.reply(200, reply_to(event))
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            # Not 2xx: the same event is pushed again later.
            self.reply(502, {"error": f"The model failed: {error!r}"})

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(environ.get("PORT") or "8000")), Agent)
    print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
