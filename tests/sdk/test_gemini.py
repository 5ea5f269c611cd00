#!/usr/bin/env python3
"""Google's official Gen AI SDK against `millpond demo`.

    test_gemini.py BINARY
"""

from google import genai
from google.genai import errors, types

import demo

PROMPT = "Name three water birds."


class GeminiSdk(demo.DemoCase):
    def setUp(self):
        self.client = self.gemini_client(self.demo["api_key"])
        self.model = self.demo["gemini_models"][0]

    def gemini_client(self, key, version=None):
        options = types.HttpOptions(base_url=self.demo["base_url"], timeout=30_000, api_version=version)
        client = genai.Client(api_key=key, http_options=options)
        self.addCleanup(client.close)
        return client

    def test_models(self):
        # `/v1/models` is OpenAI's list.
        client = self.gemini_client(self.demo["api_key"], "v1beta")
        listed = [model.name for model in client.models.list()]
        self.assertIn(f"models/{self.model}", listed)
        self.assertEqual(client.models.get(model=self.model).name, f"models/{self.model}")

    def test_content(self):
        older = self.gemini_client(self.demo["api_key"], "v1beta")
        self.assertTrue(older.models.generate_content(model=self.model, contents=PROMPT).text)
        answer = self.client.models.generate_content(model=self.model, contents=PROMPT)
        self.assertTrue(answer.text)
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
        row = self.rows(":generateContent")[0]
        usage = answer.usage_metadata
        counted = (usage.prompt_token_count, usage.candidates_token_count)
        self.assertEqual((row["input_tokens"], row["output_tokens"]), counted)
        self.assertEqual((row["outcome"], row["model_name"]), ("ok", self.model))

    def test_stream(self):
        chunks = list(self.client.models.generate_content_stream(model=self.model, contents=PROMPT))
        self.assertGreater(len(chunks), 2, "the answer came in one piece")
        self.assertTrue("".join(chunk.text or "" for chunk in chunks))
        row = self.rows(":streamGenerateContent")[0]
        self.assertEqual(row["output_tokens"], chunks[-1].usage_metadata.candidates_token_count)

    def test_count_tokens(self):
        self.assertGreater(self.client.models.count_tokens(model=self.model, contents=PROMPT).total_tokens, 0)

    def test_bad_key(self):
        with self.assertRaises(errors.ClientError) as caught:
            self.gemini_client("sk-not-a-key").models.generate_content(model=self.model, contents=PROMPT)
        self.assertEqual((caught.exception.code, caught.exception.status), (401, "UNAUTHENTICATED"))

    def test_unknown_model(self):
        with self.assertRaises(errors.ClientError) as caught:
            self.client.models.generate_content(model="no-such-model", contents=PROMPT)
        self.assertEqual((caught.exception.code, caught.exception.status), (404, "NOT_FOUND"))


if __name__ == "__main__":
    demo.main(GeminiSdk, __doc__)
