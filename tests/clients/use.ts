// A TypeScript client of the OpenAPI document, used: use.js BASE_URL NAME PASSWORD. The compiler holds each answer against what
// the document says, this program against what the server does.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [baseUrl, username, password] = process.argv.slice(2);
assert(baseUrl && username && password, "use.js BASE_URL NAME PASSWORD");

const nobody = createClient<paths>({ baseUrl });
const refused = await nobody.POST("/api/auth/login", { body: { username, password: "not this one" } });
assert.equal(refused.response.status, 401);
const signedIn = await nobody.POST("/api/auth/login", { body: { username, password } });
assert(signedIn.data, JSON.stringify(signedIn.error));
const person: components["schemas"]["User"] | null | undefined = signedIn.data.user;
assert.equal(person?.role, "member");

const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${signedIn.data.access_token}` } });

const made = await client.POST("/api/api-keys", { body: { name: "from TypeScript", requests_per_minute: 60 } });
assert(made.data, JSON.stringify(made.error));
const key: string = made.data.key;
const keys = await client.GET("/api/api-keys");
assert(keys.data?.some((one) => one.id === made.data.id && one.name === "from TypeScript"));

const account = await client.POST("/api/plugin-api/accounts", {
  body: { provider: "openai", credential: "sk-nothing", models: ["nothing"], status: 0 },
});
assert.equal(account.data?.data?.provider, "openai", JSON.stringify(account.error));
const wrong = await client.POST("/api/plugin-api/accounts", { body: { provider: "openai", credential: "" } });
assert.equal(wrong.response.status, 422);

const models = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const question = { model: "pond-large", messages: [{ role: "user", content: "What is a mill pond?" }] };
const answer = await models.POST("/v1/chat/completions", { body: question });
assert.equal(answer.response.status, 200, JSON.stringify(answer.error));

let logs: components["schemas"]["UsageLog"][] = [];
for (let attempt = 0; attempt < 50 && !logs.some((log) => log.api_key_id === made.data.id); attempt += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const page = await client.GET("/api/usage/logs", { params: { query: { limit: 10 } } });
  assert(page.data, JSON.stringify(page.error));
  logs = page.data.data;
}
const log = logs.find((one) => one.api_key_id === made.data.id);
assert.equal(log?.outcome, "ok");
const stats = await client.GET("/api/usage/stats", { params: { query: { from: log.created_at } } });
assert(stats.data && stats.data.data.total.calls >= 1);

const gone = await client.DELETE("/api/api-keys/{key_id}", { params: { path: { key_id: made.data.id } } });
assert.equal(gone.data?.success, true);
const admins = await client.GET("/api/admin/users");
assert.equal(admins.response.status, 403);
console.log("the TypeScript client works");
