#!/usr/bin/env python3
"""The official Anthropic SDK against `millpond demo`.

    test_anthropic.py BINARY
"""

import anthropic

import demo

PROMPT = [{"role": "user", "content": "Name three water birds."}]


class AnthropicSdk(demo.DemoCase):
    def setUp(self):
        self.client = self.anthropic_client(self.demo["api_key"])
        self.model = self.demo["anthropic_models"][0]

    def anthropic_client(self, key):
        client = anthropic.Anthropic(base_url=self.demo["base_url"], api_key=key, max_retries=0, timeout=30)
        self.addCleanup(client.close)
        return client

    def test_message(self):
        answer = self.client.messages.create(model=self.model, max_tokens=200, messages=PROMPT)
        self.assertEqual((answer.type, answer.role, answer.stop_reason), ("message", "assistant", "end_turn"))
        self.assertTrue(answer.content[0].text)
        row = next(row for row in self.rows("/messages") if not row["stream"])
        counted = (answer.usage.input_tokens, answer.usage.output_tokens)
        self.assertEqual((row["input_tokens"], row["output_tokens"]), counted)
        self.assertEqual((row["outcome"], row["tokens_estimated"]), ("ok", False))

    def test_stream(self):
        with self.client.messages.stream(model=self.model, max_tokens=200, messages=PROMPT) as stream:
            pieces = list(stream.text_stream)
            message = stream.get_final_message()
        self.assertGreater(len(pieces), 2, "the answer came in one piece")
        self.assertEqual(message.content[0].text, "".join(pieces))
        row = next(row for row in self.rows("/messages") if row["stream"])
        self.assertEqual(row["output_tokens"], message.usage.output_tokens)

    def test_beta(self):
        answer = self.client.beta.messages.create(
            model=self.model, max_tokens=200, messages=PROMPT, betas=["interleaved-thinking-2025-05-14"]
        )
        self.assertTrue(answer.content[0].text)

    def test_count_tokens(self):
        counted = self.client.messages.count_tokens(model=self.model, messages=PROMPT)
        self.assertGreater(counted.input_tokens, 0)

    def test_bad_key(self):
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            self.anthropic_client("sk-not-a-key").messages.create(model=self.model, max_tokens=9, messages=PROMPT)
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")

    def test_unknown_model(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.client.messages.create(model="no-such-model", max_tokens=9, messages=PROMPT)

    def test_bad_request(self):
        with self.assertRaises(anthropic.BadRequestError):
            self.client.messages.create(model=self.model, max_tokens=0, messages=PROMPT)


if __name__ == "__main__":
    demo.main(AnthropicSdk, __doc__)
