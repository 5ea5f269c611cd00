#!/usr/bin/env python3
"""The official OpenAI SDK against `millpond demo`: what a stranger does in the first five minutes.

    test_openai.py BINARY
"""

import json
import time

import openai

import demo
from demo import RECORD_SECONDS, harness

PROMPT = [{"role": "user", "content": "Name three water birds."}]


def members(value, name):
    """Every value under `name`, however deep."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from members(item, name)


class OpenAiSdk(demo.DemoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.openai_client(cls.demo["api_key"])
        cls.model = cls.demo["models"][0]

    @classmethod
    def openai_client(cls, key):
        client = openai.OpenAI(base_url=f"{cls.demo['base_url']}/v1", api_key=key, max_retries=0, timeout=30)
        cls.addClassCleanup(client.close)
        return client

    def chat(self, **options):
        return self.client.chat.completions.create(model=self.model, messages=PROMPT, **options)

    def sign_in(self):
        status, answer = harness.request(self.demo["base_url"], "POST", "/api/auth/login", body=self.demo["member"])
        self.assertEqual(status, 200, answer)
        return answer["access_token"]

    def get(self, path, token):
        status, answer = harness.request(self.demo["base_url"], "GET", path, token)
        self.assertEqual(status, 200, answer)
        return answer

    def logged_row(self, token, request_id):
        """The row of one call, as soon as it is there."""
        deadline = time.monotonic() + RECORD_SECONDS
        while True:
            answer = self.get("/api/usage/logs", token)
            rows = next(value for value in answer.values() if isinstance(value, list))
            row = next((row for row in rows if row["request_id"] == request_id), None)
            if row:
                return row
            self.assertLess(time.monotonic(), deadline, f"no row of {request_id} within {RECORD_SECONDS} s in {rows}")
            time.sleep(0.1)

    def test_models(self):
        listed = [model.id for model in self.client.models.list()]
        self.assertLessEqual(set(self.demo["models"]), set(listed))
        self.assertEqual(self.client.models.retrieve(self.model).id, self.model)

    def test_chat(self):
        answer = self.chat()
        self.assertEqual(answer.object, "chat.completion")
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertGreater(answer.usage.prompt_tokens, 0)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_stream(self):
        chunks = list(self.chat(stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertTrue(text)
        self.assertGreater(len(chunks), 2, "the answer came in one piece")
        self.assertEqual([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], "stop")
        # Millpond asks the provider for usage on its own account; who didn't ask must not see it.
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        self.assertTrue(all(chunk.choices for chunk in chunks))

    def test_stream_with_usage(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)
        self.assertTrue(all(chunk.usage is None for chunk in chunks[:-1]))

    def test_access_token_instead_of_key(self):
        self.assertTrue(list(self.openai_client(self.sign_in()).models.list()))

    def test_bad_key(self):
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.openai_client("sk-not-a-key").chat.completions.create(model=self.model, messages=PROMPT)
        self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="no-such-model", messages=PROMPT)
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_usage_of_a_chat_is_on_record(self):
        token = self.sign_in()
        answer = self.chat()
        row = self.logged_row(token, answer._request_id)
        self.assertEqual((row["outcome"], row["status_code"], row["stream"]), ("ok", 200, False))
        self.assertEqual(row["model_name"], self.model)
        counted = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        self.assertEqual((row["input_tokens"], row["output_tokens"]), counted)
        self.assertFalse(row["tokens_estimated"])
        self.assertIsNotNone(row["api_key_id"])
        self.assertIsNotNone(row["latency_ms"])
        stats = self.get("/api/usage/stats", token)
        self.assertGreaterEqual(max(members(stats, "calls"), default=0), 1, stats)
        self.assertIn(self.model, json.dumps(stats))

    def test_usage_of_a_stream_is_on_record(self):
        with self.chat(stream=True) as stream:
            request_id = stream.response.headers["x-request-id"]
            self.assertTrue(list(stream))
        row = self.logged_row(self.sign_in(), request_id)
        self.assertEqual((row["outcome"], row["stream"]), ("ok", True))
        self.assertGreater(row["output_tokens"], 0)
        self.assertIsNotNone(row["ttft_ms"])


if __name__ == "__main__":
    demo.main(OpenAiSdk, __doc__)
