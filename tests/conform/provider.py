"""Stands in for the provider behind the native account with which `plugin.json` is replayed.

It answers as the recorded one did, thoughts first. What a call is said to have used is what its question asks for.
"""

import contextlib
import http.server
import json
import threading

MODELS = ["gemini-3-pro-high", "gemini-3-pro-low", "gemini-2.5-flash", "claude-sonnet-4-5", "gpt-oss-120b-medium"]
USE = "use tokens:"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, data, content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        models = [{"id": model, "object": "model", "created": 1, "owned_by": "pond"} for model in MODELS]
        self.answer(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        question = asked["messages"][-1]["content"]
        prompt = int(question.removeprefix(USE)) - 2 if question.startswith(USE) else 1
        usage = {"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2}
        head = {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "Hello there", "reasoning_content": "Let me think."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            whole = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
            return self.answer(200, json.dumps(whole).encode())
        deltas = [({"reasoning_content": "Let me think."}, None), ({"content": "Hello there"}, None), ({}, "stop")]
        chunks = [
            head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            for delta, end in deltas
        ]
        chunks[-1]["usage"] = usage
        lines = [json.dumps(chunk) for chunk in chunks] + ["[DONE]"]
        self.answer(200, "".join(f"data: {line}\n\n" for line in lines).encode(), "text/event-stream")


@contextlib.contextmanager
def serving():
    """The base URL of the provider, which runs meanwhile on a free port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
