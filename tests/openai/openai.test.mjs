// openai.test.mjs URL -- what the client promises its users holds against reeve, and raw requests that
// no client sends are refused in the API's own words.
import OpenAI from "openai";
import { LengthFinishReasonError } from "openai/error";
import assert from "node:assert/strict";
import test from "node:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const url = process.argv[2];
const client = new OpenAI({ baseURL: url, maxRetries: 0 });
const other = new OpenAI({ baseURL: url, apiKey: process.env.OTHER_KEY, maxRetries: 0 });
const ask = { model: "reeve", temperature: 0, max_tokens: 16,
              messages: [{ role: "system", content: "be brief" }, { role: "user", content: "hello" }] };
const tool = { type: "function", function: { name: "get_invoice", description: "one invoice",
  parameters: { type: "object", properties: { number: { type: "integer", minimum: 0, maximum: 99 } },
                required: ["number"], additionalProperties: false } } };
const raw = (path, body, headers = {}) => fetch(url + path, { method: "POST",
  headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "content-type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body) });

test("models are listed and an unknown one is 404", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("reeve"));
  for (const name of names) assert.equal((await client.models.retrieve(name)).id, name);
  await assert.rejects(client.models.retrieve("gpt-9"), (e) => e.status === 404 && e.code === "model_not_found");
  for (const path of ["/chat/completions", "/completions", "/embeddings"]) {
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}` } });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get("allow"), "POST");
  }
  await assert.rejects(client.chat.completions.create({ ...ask, model: "gpt-9" }),
    (e) => e.status === 404 && e.code === "model_not_found");
});

test("the same question has the same answer, whole or streamed, for whichever company", async () => {
  const one = await client.chat.completions.create(ask);
  const two = await other.chat.completions.create({ ...ask, tenant: 1 });
  assert.equal(one.choices[0].message.content, two.choices[0].message.content);
  assert.equal(two.usage.prompt_tokens_details.cached_tokens, 0); // nothing of the other company's
  let text = "", finish = null, usage = null, last = null;
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
    last = chunk;
  }
  assert.equal(text, one.choices[0].message.content);
  assert.equal(finish, one.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, one.usage.completion_tokens);
  assert.equal(last.choices.length, 0); // the usage comes last
  assert.equal(one.usage.total_tokens, one.usage.prompt_tokens + one.usage.completion_tokens);
  assert.ok(one.usage.completion_tokens <= 16);
  assert.equal(one.choices[0].finish_reason, "length");
});

test("a seed repeats, without one the answers differ", async () => {
  const hot = { ...ask, temperature: 1.5, max_tokens: 24 };
  const text = async (more) => (await client.chat.completions.create({ ...hot, ...more })).choices[0].message.content;
  assert.equal(await text({ seed: 5 }), await text({ seed: 5 }));
  assert.notEqual(await text({ seed: 5 }), await text({ seed: 6 }));
});

test("a schema is satisfied", async () => {
  const schema = { type: "object", properties: { action: { enum: ["accept", "hold"] }, days: { type: "integer", minimum: 1, maximum: 30 } },
                   required: ["action", "days"], additionalProperties: false };
  for (const seed of [1, 2, 3]) {
    const answer = await client.chat.completions.create({ ...ask, temperature: 1, seed, max_tokens: 200,
      response_format: { type: "json_schema", json_schema: { name: "decision", strict: true, schema } } });
    const value = JSON.parse(answer.choices[0].message.content);
    assert.ok(["accept", "hold"].includes(value.action) && value.days >= 1 && value.days <= 30);
    assert.equal(answer.choices[0].finish_reason, "stop");
  }
});

test("tools: required, named, streamed, none", async () => {
  const many = { ...ask, max_tokens: 200, tools: [tool] };
  for (const tool_choice of ["required", { type: "function", function: { name: "get_invoice" } }]) {
    const answer = await client.chat.completions.create({ ...many, tool_choice });
    const call = answer.choices[0].message.tool_calls[0];
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    assert.equal(call.function.name, "get_invoice");
    const { number } = JSON.parse(call.function.arguments);
    assert.ok(Number.isInteger(number) && number >= 0 && number <= 99);
  }
  let name = "", args = "", finish = null;
  for await (const chunk of await client.chat.completions.create({ ...many, tool_choice: "required", stream: true })) {
    const call = chunk.choices[0]?.delta?.tool_calls?.[0];
    name += call?.function?.name ?? "";
    args += call?.function?.arguments ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(name, "get_invoice");
  assert.equal(finish, "tool_calls");
  assert.ok("number" in JSON.parse(args));
  const none = await client.chat.completions.create({ ...many, tool_choice: "none", max_tokens: 8 });
  assert.equal(none.choices[0].message.tool_calls, undefined);
});

// A message and its end from chunks, as the API says that they are put together, and how many said something.
const gather = async (stream) => {
  const made = { message: { role: undefined, content: null }, finish: null, logprobs: [], chunks: { reasoning: 0, content: 0, arguments: 0 } };
  const { message, chunks } = made;
  for await (const chunk of stream) for (const { delta, finish_reason, logprobs } of chunk.choices) {
    assert.equal(made.finish, null);
    message.role = delta.role ?? message.role;
    made.logprobs.push(...(logprobs?.content ?? []));
    if (delta.reasoning_content) message.reasoning_content = (message.reasoning_content ?? "") + delta.reasoning_content;
    if (delta.content) message.content = (message.content ?? "") + delta.content;
    for (const { index, id, type, function: part } of delta.tool_calls ?? []) {
      assert.equal(index, 0);
      if (id) { // the name first, then pieces of the arguments
        assert.equal(message.tool_calls, undefined);
        assert.equal(part.arguments, "");
        message.tool_calls = [{ id, type, function: { name: part.name, arguments: "" } }];
      } else {
        assert.equal(part.name, undefined);
        message.tool_calls[0].function.arguments += part.arguments;
        chunks.arguments += 1;
      }
    }
    chunks.reasoning += delta.reasoning_content ? 1 : 0;
    chunks.content += delta.content ? 1 : 0;
    made.finish = finish_reason ?? null;
  }
  return made;
};
const noted = { type: "function", function: { name: "note", parameters: { type: "object",
  properties: { text: { type: "string", maxLength: 30 }, tags: { type: "array", items: { type: "string", maxLength: 4 }, maxItems: 3 } },
  required: ["text", "tags"], additionalProperties: false } } };

test("a stream with tools says what the whole says, while it comes", async () => {
  const without = ({ message, ...rest }) => ({ ...rest, message: { ...message, content: message.content || null, // an empty text has no piece
    tool_calls: message.tool_calls?.map(({ id, ...call }) => { assert.match(id, /^call_[0-9a-f]{16}$/); return call; }) } });
  const most = { reasoning: 0, content: 0, arguments: 0 };
  const forms = new Set();
  for (const tool_choice of ["auto", "required"]) for (let seed = 1; seed <= 12; seed++) {
    const body = { ...ask, temperature: 1, seed, max_tokens: 250, tools: [tool, noted], tool_choice, logprobs: true, top_logprobs: 1 };
    const { message, finish_reason: finish, logprobs } = (await client.chat.completions.create(body)).choices[0];
    const { chunks, ...streamed } = await gather(await client.chat.completions.create({ ...body, stream: true }));
    assert.deepEqual(without(streamed), without({ message, finish, logprobs: logprobs.content }));
    const helped = (await client.chat.completions.stream(body).finalChatCompletion()).choices[0];
    assert.equal(helped.finish_reason, finish);
    assert.equal(helped.message.content || null, message.content || null);
    assert.deepEqual(helped.message.tool_calls?.map((one) => [one.function.name, one.function.arguments]),
      message.tool_calls?.map((one) => [one.function.name, one.function.arguments]));
    if (message.tool_calls) JSON.parse(message.tool_calls[0].function.arguments);
    assert.ok(message.tool_calls ? finish !== "stop" && message.content === null : finish !== "tool_calls");
    forms.add(message.tool_calls?.[0].function.name ?? "content");
    for (const key in most) most[key] = Math.max(most[key], chunks[key]);
  }
  assert.deepEqual([...forms].sort(), ["content", "get_invoice", "note"]);
  for (const key in most) assert.ok(most[key] > 3, `${key}: ${most[key]}`);
});

test("an answer that met its limit says so, a call too", async () => {
  const parameters = { type: "object", properties: { list: { type: "array", minItems: 1, items: { type: "string", minLength: 8 } } }, required: ["list"],
    additionalProperties: false };
  const ends = new Set();
  for (const [seed, tool_choice, max_tokens] of [[1, "required", 110], [2, { type: "function", function: { name: "f" } }, 110],
    ...Array.from({ length: 8 }, (_, i) => [3 + i, "auto", 60])]) {
    const body = { ...ask, temperature: 1, seed, max_tokens, tools: [{ type: "function", function: { name: "f", parameters } }], tool_choice };
    const answer = await client.chat.completions.create(body);
    const { message, finish_reason } = answer.choices[0];
    const streamed = await gather(await client.chat.completions.create({ ...body, stream: true }));
    assert.equal(streamed.finish, finish_reason);
    assert.ok(answer.usage.completion_tokens <= max_tokens);
    if (message.tool_calls) assert.ok(Array.isArray(JSON.parse(message.tool_calls[0].function.arguments).list));
    ends.add(`${message.tool_calls ? "call" : "text"} ${finish_reason}`);
    const strict = { ...body, tools: [{ type: "function", function: { name: "f", strict: true, parameters } }] };
    const parse = client.chat.completions.parse(strict); // refuses what was cut
    if (finish_reason === "length") await assert.rejects(parse, LengthFinishReasonError);
    else await parse;
  }
  assert.ok(ends.has("call length"), [...ends].join());
  assert.ok(ends.has("text length"), [...ends].join());
});

// What pydantic and zod write, and what they could: every reference is read from the parameters' root.
const required = async (parameters, more = {}) => {
  const answer = await raw("/chat/completions", { ...ask, temperature: 1, seed: 3, max_tokens: 300, tool_choice: "required",
    tools: [{ type: "function", function: { name: "f", parameters } }], ...more });
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  assert.equal(body.choices[0].finish_reason, "tool_calls");
  return JSON.parse(body.choices[0].message.tool_calls[0].function.arguments);
};
const small = { type: "integer", minimum: 0, maximum: 99 };

test("references in parameters are read from the parameters", async () => {
  const line = { type: "object", properties: { count: small }, required: ["count"], additionalProperties: false };
  const pydantic = { $defs: { Line: line }, properties: { lines: { items: { $ref: "#/$defs/Line" }, type: "array", minItems: 1, maxItems: 2 } },
    required: ["lines"], title: "Order", type: "object", additionalProperties: false };
  for (const more of [{}, { tool_choice: { type: "function", function: { name: "f" } } },
    { tools: [tool, { type: "function", function: { name: "f", parameters: pydantic } }], tool_choice: { type: "function", function: { name: "f" } } }]) {
    const { lines } = await required(pydantic, more);
    assert.ok(lines.length >= 1 && lines.every(({ count }) => count >= 0 && count <= 99));
  }
  const zod = { $ref: "#/definitions/Order", definitions: { Order: { type: "object", properties: { line: { $ref: "#/definitions/Line" } },
    required: ["line"], additionalProperties: false }, Line: line }, $schema: "http://json-schema.org/draft-07/schema#" };
  assert.ok(Number.isInteger((await required(zod)).line.count));
  const property = { properties: { name: small, b: { $ref: "#/properties/name" } }, required: ["name", "b"], additionalProperties: false };
  assert.ok(Number.isInteger((await required(property)).b)); // it is the parameter's, not the function's name
  const self = { type: "object", properties: { n: small, next: { $ref: "#" } }, required: ["n"], additionalProperties: false };
  for (let at = await required(self); at !== undefined; at = at.next) {
    assert.ok(Number.isInteger(at.n));
    assert.ok(Object.keys(at).every((key) => key === "n" || key === "next"));
  }
  const data = { type: "object", properties: { $ref: { const: { $ref: "#/x" } } }, required: ["$ref"], additionalProperties: false };
  assert.deepEqual(await required(data), { $ref: { $ref: "#/x" } }); // a constant is no reference
  assert.deepEqual(await required({ properties: { const: { $ref: "#/properties/b" }, b: { const: 7 } }, required: ["const", "b"],
    additionalProperties: false }), { const: 7, b: 7 });
  for (const parameters of ["zzz", false, [], 5]) {
    const answer = await raw("/chat/completions", { ...ask, tools: [{ type: "function", function: { name: "f", parameters } }] });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.param, "/tools/0/function/parameters");
  }
  const nowhere = await raw("/chat/completions", { ...ask, max_tokens: 200, tools: [tool, { type: "function", function: { name: "f",
    parameters: { type: "object", properties: { a: { $ref: "#/$defs/None" } } } } }] });
  assert.equal(nowhere.status, 400);
  assert.equal((await nowhere.json()).error.param, "/tools/1/function/parameters/properties/a/$ref");
});

test("tools as deep as a body can be harm nobody", async () => {
  const deep = (levels) => levels === 0 ? {} : { type: "array", items: deep(levels - 1) };
  const others = Array.from({ length: 8 }, () => other.chat.completions.create({ ...ask, max_tokens: 100 }));
  for (const levels of [28, 57, 58, 59, 60]) {
    const answer = await raw("/chat/completions", { ...ask, max_tokens: 200, tools: [{ type: "function", function: { name: "f",
      parameters: { type: "object", properties: { a: deep(levels) } } } }] });
    assert.ok(answer.status === 200 || answer.status === 400, `${levels}: ${answer.status}`);
    await answer.json();
  }
  for (const one of await Promise.all(others)) assert.equal(one.usage.completion_tokens, 100);
  assert.equal(await figure("reeve_model_restarts_total"), 0);
});

test("the smallest top_p leaves the likeliest token", async () => {
  const best = await client.chat.completions.create({ ...ask, temperature: 0, max_tokens: 4 });
  for (const seed of [1, 2, 3, 4, 5])
    for (const top_p of [0, 1e-9]) {
      const answer = await client.chat.completions.create({ ...ask, temperature: 1, top_p, seed, max_tokens: 4 });
      assert.equal(answer.choices[0].message.content, best.choices[0].message.content);
    }
});

test("a tool's arguments are an object, its name a name", async () => {
  const of = (made) => raw("/chat/completions", { ...ask, tool_choice: "required", tools: [{ type: "function", function: { name: "f", ...made } }] });
  for (const type of ["string", "array", ["object", "null"], 5, ""]) {
    const answer = await of({ parameters: { type } });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.param, "/tools/0/function/parameters/type");
  }
  for (const name of ["", "a b", "f.g", "x".repeat(65), 5]) {
    const answer = await of({ name });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.param, "/tools/0/function/name");
  }
});

test("stop texts cannot cut an answer under a schema", async () => {
  for (const more of [{ stop: ["a"], response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object",
    properties: { a: small }, required: ["a"] } } } }, { stop: "{", response_format: { type: "json_object" } },
    { stop: ["arg"], tools: [tool], tool_choice: "required" }]) {
    const answer = await raw("/chat/completions", { ...ask, max_tokens: 200, ...more });
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error.param, "/stop");
  }
  for (const more of [{ stop: ["a"], tools: [tool], tool_choice: "none" }, { stop: [], response_format: { type: "json_object" } }])
    assert.equal((await raw("/chat/completions", { ...ask, max_tokens: 60, ...more })).status, 200);
});

test("what is refused before a route has it is refused in the API's words", async () => {
  const headers = { authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "content-type": "application/json" };
  const refused = async (method, path, status, body) => {
    const answer = await fetch(url + path, { method, headers, body });
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("content-type"), "application/json", path);
    const { error } = await answer.json();
    assert.ok(error.message.length > 0 && error.type === "invalid_request_error" && error.param === null && error.code, path);
  };
  for (const path of ["/responses", "/audio/speech", "/chat/completions/x", "/models/a/b", "/"]) await refused("GET", path, 404);
  for (const path of ["/chat/completions", "/completions", "/embeddings"]) await refused("DELETE", path, 405);
  await refused("POST", "/models", 405, "{}");
  await refused("POST", "/responses", 404, "{}");
  await refused("POST", "/chat/completions", 413, JSON.stringify({ ...ask, messages: [{ role: "user", content: "a".repeat(9 << 20) }] }));
  await assert.rejects(client.responses.create({ model: "reeve", input: "x" }), (e) => e.status === 404 && e.code === "not_found");
  for (const path of ["/runs/1/2/3", "/calendars/a/b"]) { // reeve's own keep theirs
    const answer = await fetch(url + path, { headers });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
  }
});

test("a body that does not arrive in time is refused in the API's words", { timeout: 120000 }, async () => {
  const { hostname, port } = new URL(url);
  const socket = connect(port, hostname);
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${process.env.OPENAI_API_KEY}\r\n` +
    "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{");
  const drip = setInterval(() => socket.write(" "), 1000); // there, only slow
  let text = "";
  for await (const piece of socket) text += piece;
  clearInterval(drip);
  const [head, body] = text.split("\r\n\r\n");
  assert.ok(head.startsWith("HTTP/1.1 408 "), head);
  const { error } = JSON.parse(body);
  assert.equal(error.code, "timeout");
  assert.ok(error.message.includes("did not arrive in time"), error.message);
});

test("an answer longer than the context is blamed on what asked for it", async () => {
  for (const [path, more, place] of [["/chat/completions", { ...ask, max_tokens: 100000 }, "/max_tokens"],
    ["/chat/completions", { ...ask, max_tokens: undefined, max_completion_tokens: 100000 }, "/max_completion_tokens"],
    ["/completions", { model: "reeve", prompt: "abc", max_tokens: 100000 }, "/max_tokens"]]) {
    const answer = await raw(path, more);
    const { error } = await answer.json();
    assert.equal(answer.status, 400);
    assert.equal(error.code, "context_length_exceeded");
    assert.equal(error.param, place, error.message);
    assert.match(error.message, /\d+ tokens.*100000.*context \(\d+\).*\d+ are left/);
  }
  // nobody said how long the answer may be: it is the prompt
  const room = Number(/context \((\d+)\)/.exec((await (await raw("/completions", { model: "reeve", prompt: "abc", max_tokens: 100000 })).json()).error.message)[1]);
  let low = 1, high = 4 * room; // a prompt that leaves less than the 16 tokens of the default
  const says = async (n) => (await raw("/completions", { model: "reeve", prompt: "a b ".repeat(n), stream: false })).json();
  while (low < high) {
    const half = (low + high) >> 1;
    if ((await says(half)).error) high = half; else low = half + 1;
  }
  const { error } = await says(low);
  assert.equal(error.param, "/prompt", error.message);
});

test("log-probabilities of completions have their places and lose no token", async () => {
  const prompt = "a €";
  const more = { model: "reeve", prompt, max_tokens: 40, temperature: 1.5, seed: 4, logprobs: 5 };
  const whole = (await client.completions.create(more)).choices[0];
  const { tokens, token_logprobs, top_logprobs, text_offset } = whole.logprobs;
  assert.equal(text_offset.length, tokens.length);
  assert.equal(text_offset[0], [...prompt].length);
  const text = [...(prompt + whole.text)];
  tokens.forEach((token, i) => {
    assert.ok(i === 0 || text_offset[i] >= text_offset[i - 1]);
    if (!token.startsWith("bytes:") && !whole.text.includes("\ufffd"))
      assert.equal(text.slice(text_offset[i], text_offset[i] + [...token].length).join(""), token);
    assert.equal(Object.keys(top_logprobs[i]).length, 5); // none has taken another's place
    assert.ok(Object.keys(top_logprobs[i]).every((one) => !one.includes("\ufffd")));
  });
  assert.ok([...tokens, ...top_logprobs.flatMap(Object.keys)].some((one) => /^bytes:(\\x[0-9a-f]{2})+$/.test(one)));
  const streamed = { tokens: [], text_offset: [] };
  for await (const chunk of await client.completions.create({ ...more, stream: true })) {
    for (const key in streamed) streamed[key].push(...(chunk.choices[0]?.logprobs?.[key] ?? []));
  }
  assert.deepEqual(streamed, { tokens, text_offset });
  assert.equal(token_logprobs.length, tokens.length);
});

test("no chunk of a stream says nothing", async () => {
  let thoughts = 0;
  for (const max_tokens of [16, 200]) {
    for await (const chunk of await client.chat.completions.create({ ...ask, max_tokens, stream: true })) {
      const delta = chunk.choices[0]?.delta;
      assert.notEqual(delta?.reasoning_content, "");
      assert.ok(delta?.content !== "" || delta.role);
      thoughts += delta?.reasoning_content ? 1 : 0;
    }
  }
  assert.ok(thoughts > 0);
});

test("log-probabilities come with every token that has text", async () => {
  const answer = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 3 });
  for (const one of answer.choices[0].logprobs.content) {
    assert.ok(one.logprob <= 0);
    assert.equal(one.top_logprobs.length, 3);
    assert.ok(one.logprob <= one.top_logprobs[0].logprob + 1e-6); // greedy: the first is the best
  }
  // one for each token, also where a stop text holds text back
  const plain = { model: "reeve", prompt: "abc", max_tokens: 24, temperature: 0, logprobs: 1 };
  const whole = await client.completions.create(plain);
  const held = await client.completions.create({ ...plain, stop: [...whole.choices[0].text].slice(-2).join("") + "\u0001" });
  for (const one of [whole, held]) {
    const { tokens, token_logprobs } = one.choices[0].logprobs;
    assert.equal(tokens.length, token_logprobs.length);
    assert.equal(tokens.length, one.usage.completion_tokens - (one.choices[0].finish_reason === "stop" ? 1 : 0));
  }
});

test("completions and stop texts", async () => {
  const whole = await client.completions.create({ model: "reeve", prompt: "abc", max_tokens: 24, temperature: 0 });
  const text = whole.choices[0].text;
  const stop = [...text].slice(3, 5).join("");
  const cut = await client.completions.create({ model: "reeve", prompt: "abc", max_tokens: 24, temperature: 0, stop });
  assert.equal(cut.choices[0].text, text.slice(0, text.indexOf(stop)));
  assert.equal(cut.choices[0].finish_reason, "stop");
});

test("completions of several prompts have a choice each, whole or streamed", async () => {
  const prompts = Array.from({ length: 40 }, (_, i) => ["abc", "The order says", `invoice ${i}`][i % 3]);
  const more = { model: "reeve", max_tokens: 6, temperature: 0.8, seed: 3 };
  const sum = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const alone = [];
  for (const prompt of prompts) {
    const one = await client.completions.create({ ...more, prompt });
    alone.push(one.choices[0]);
    for (const key in sum) sum[key] += one.usage[key];
  }
  const whole = await client.completions.create({ ...more, prompt: prompts });
  assert.deepEqual(whole.choices.map((one) => one.index), prompts.map((_, i) => i));
  assert.deepEqual(whole.choices.map((one) => one.text), alone.map((one) => one.text));
  assert.deepEqual(whole.choices.map((one) => one.finish_reason), alone.map((one) => one.finish_reason));
  for (const key in sum) assert.equal(whole.usage[key], sum[key], key);
  const texts = prompts.map(() => ""), ends = prompts.map(() => null);
  let usage = null, last = null;
  for await (const chunk of await client.completions.create({ ...more, prompt: prompts, stream: true })) {
    for (const one of chunk.choices) {
      assert.equal(ends[one.index], null); // nothing of a choice after its end
      texts[one.index] += one.text;
      ends[one.index] = one.finish_reason ?? null;
    }
    usage = chunk.usage ?? usage;
    last = chunk;
  }
  assert.deepEqual(texts, alone.map((one) => one.text));
  assert.deepEqual(ends, alone.map((one) => one.finish_reason));
  assert.equal(last.choices.length, 0);
  for (const key in sum) assert.equal(usage[key], sum[key], key);
  const drawn = await client.completions.create({ ...more, seed: undefined, temperature: 1.5, prompt: Array(8).fill("abc") });
  assert.ok(new Set(drawn.choices.map((one) => one.text)).size > 1); // without a seed they are drawn apart
  assert.equal((await client.completions.create({ ...more, prompt: ["abc"] })).choices[0].text, alone[0].text);
  for (const [prompt, place, says] of [[[], "/prompt", "1 to 64"], [Array(65).fill("a"), "/prompt", "1 to 64"], [[1, 2, 3], "/prompt/0", "token ids"],
    [["a", [1, 2]], "/prompt/1", "token ids"], [["a", null], "/prompt/1", "text"], [5, "/prompt", "text"], [{}, "/prompt", "text"],
    [["a", "xyzzy ".repeat(4000), "b"], "/prompt/1", "tokens"], [["xyzzy ".repeat(4000)], "/prompt", "tokens"]]) {
    for (const stream of [false, true]) {
      const answer = await raw("/completions", { ...more, prompt, stream });
      const { error } = answer.status === 200 ? { error: { message: await answer.text() } } : await answer.json();
      assert.ok(error.message.includes(says), error.message);
      assert.ok(stream || (answer.status === 400 && error.param === place), `${answer.status} ${error.param} ${place}`);
    }
  }
});

test("n choices are n answers that can be had alone", async () => {
  const hot = { ...ask, temperature: 1.5, seed: 40, max_tokens: 12 };
  const alone = [];
  for (let k = 0; k < 3; k++) alone.push(await client.chat.completions.create({ ...hot, seed: 40 + k }));
  const texts = alone.map((one) => one.choices[0].message.content);
  assert.equal(new Set(texts).size, 3);
  const whole = await client.chat.completions.create({ ...hot, n: 3 });
  assert.deepEqual(whole.choices.map((one) => [one.index, one.message.content, one.seed]), texts.map((text, k) => [k, text, 40 + k]));
  const usage = { prompt_tokens: alone[0].usage.prompt_tokens, // once
                  completion_tokens: alone.reduce((sum, one) => sum + one.usage.completion_tokens, 0) };
  assert.equal(whole.usage.prompt_tokens, usage.prompt_tokens);
  assert.equal(whole.usage.completion_tokens, usage.completion_tokens);
  assert.equal(whole.usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  const streamed = Array(3).fill(""), ends = Array(3).fill(null), roles = Array(3).fill(0);
  let last = null;
  for await (const chunk of await client.chat.completions.create({ ...hot, n: 3, stream: true })) {
    for (const one of chunk.choices) {
      assert.equal(ends[one.index], null);
      roles[one.index] += one.delta.role === "assistant";
      streamed[one.index] += one.delta.content ?? "";
      ends[one.index] = one.finish_reason ?? null;
    }
    last = chunk;
  }
  assert.deepEqual(streamed, texts);
  assert.deepEqual(roles, [1, 1, 1]);
  assert.deepEqual(ends, alone.map((one) => one.choices[0].finish_reason));
  assert.equal(last.usage.prompt_tokens, usage.prompt_tokens);
  assert.equal(last.usage.completion_tokens, usage.completion_tokens);
  // drawn seeds are apart, and told: with one the choice comes again
  const drawn = await client.chat.completions.create({ ...hot, seed: undefined, n: 4 });
  assert.equal(new Set(drawn.choices.map((one) => one.seed)).size, 4);
  const again = await client.chat.completions.create({ ...hot, seed: drawn.choices[3].seed });
  assert.equal(again.choices[0].message.content, drawn.choices[3].message.content);
  const calls = await client.chat.completions.create({ ...hot, max_tokens: 200, n: 2, tools: [tool], tool_choice: "required" });
  assert.equal(new Set(calls.choices.map((one) => one.message.tool_calls[0].id)).size, 2);
  // of several prompts the choices of each stand together
  const more = { model: "reeve", max_tokens: 6, temperature: 1.2, seed: 7 };
  const pair = await client.completions.create({ ...more, prompt: ["abc", "The order says"], n: 2, best_of: 2, logprobs: 0 });
  const expected = [];
  let tokens = 0;
  for (const prompt of ["abc", "The order says"]) for (const seed of [7, 8]) {
    const one = await client.completions.create({ ...more, prompt, seed, logprobs: 0 });
    expected.push(one.choices[0]);
    tokens += seed === 7 ? one.usage.prompt_tokens : 0;
  }
  assert.deepEqual(pair.choices.map((one) => [one.text, one.seed, one.logprobs]), expected.map((one) => [one.text, one.seed, one.logprobs]));
  assert.equal(pair.usage.prompt_tokens, tokens);
  const most = await client.completions.create({ ...more, prompt: "abc", n: 2, seed: Number.MAX_SAFE_INTEGER });
  assert.equal(most.choices.length, 2);
  for (const stream of [false, true]) { // one that fails ends all, and is blamed on its own prompt
    const answer = await raw("/completions", { ...more, prompt: ["a", "xyzzy ".repeat(4000)], n: 2, stream });
    const text = await answer.text();
    assert.ok(text.includes("tokens"), text);
    assert.ok(stream || JSON.parse(text).error.param === "/prompt/1", text);
  }
});

test("biases and penalties choose among the tokens that may come", async () => {
  const text = async (more) => (await client.completions.create({ model: "reeve", prompt: "the quick fox the quick fox", temperature: 0,
    max_tokens: 30, ...more })).choices[0].text;
  const plain = await text({});
  assert.equal(await text({ logit_bias: {}, presence_penalty: 0, frequency_penalty: 0 }), plain);
  assert.equal(await text({ logit_bias: null }), plain);
  const fresh = await text({ frequency_penalty: 2, presence_penalty: 2 });
  assert.notEqual(fresh, plain);
  assert.equal(await text({ frequency_penalty: 2, presence_penalty: 2 }), fresh);
  const a = "a".repeat(30); // of the tiny model's vocabulary a byte's token is one of the first
  let token = -1;
  for (let id = 0; id < 300 && token < 0; id++) if (await text({ logit_bias: { [id]: 100 }, max_tokens: 2 }) === "aa") token = id;
  assert.ok(token >= 0);
  assert.equal(await text({ logit_bias: { [token]: 100 } }), a);
  assert.ok(!(await text({ logit_bias: { [token]: -100 }, temperature: 1, seed: 3, max_tokens: 100 })).includes("aaa"));
  const logit_bias = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [i, -100]));
  const schema = { type: "object", properties: { days: { type: "integer", minimum: 1, maximum: 30 } }, required: ["days"], additionalProperties: false };
  for (const seed of [1, 2, 3]) {
    const answer = await client.chat.completions.create({ ...ask, temperature: 1, seed, max_tokens: 100, n: 2, logit_bias, presence_penalty: 2,
      response_format: { type: "json_schema", json_schema: { name: "d", strict: true, schema } } });
    for (const one of answer.choices) {
      const { days } = JSON.parse(one.message.content);
      assert.ok(Number.isInteger(days) && days >= 1 && days <= 30);
    }
  }
});

test("more embeddings than a company has places are answered in their order", async () => {
  const input = Array.from({ length: 256 }, (_, i) => `i${i % 7}`);
  const many = await client.embeddings.create({ model: "reeve", input, encoding_format: "float" });
  assert.deepEqual(many.data.map((one) => one.index), input.map((_, i) => i));
  for (let i = 7; i < 256; i++) assert.deepEqual(many.data[i].embedding, many.data[i % 7].embedding);
});

test("embeddings are the same alone and in a batch, of length one", async () => {
  const many = await client.embeddings.create({ model: "reeve", input: ["one invoice", "two"] });
  const alone = await client.embeddings.create({ model: "reeve", input: "two", encoding_format: "float" });
  assert.deepEqual([...many.data[1].embedding], alone.data[0].embedding.map(Math.fround));
  const length = Math.hypot(...alone.data[0].embedding);
  assert.ok(Math.abs(length - 1) < 1e-3);
});

test("a wrong type is refused by place, also where it would change nothing", async () => {
  const user = { role: "user", content: "x" };
  const call = { id: "c1", type: "function", function: { name: "get_invoice", arguments: "{\"number\":1}" } };
  const called = (more) => ({ role: "assistant", content: null, tool_calls: [{ ...call, ...more }] });
  const result = { role: "tool", tool_call_id: "c1", content: "found" };
  const format = (more) => ({ response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" }, ...more } } });
  const at = "/response_format/json_schema";
  const refused = async (path, body, place) => {
    const answer = await raw(path, body);
    assert.equal(answer.status, 400, place);
    const { error } = await answer.json();
    assert.equal(error.param, place);
    assert.match(error.message, /must be|is missing|can only/);
  };
  for (const [more, place] of [[{ user: 5 }, "/user"], [{ parallel_tool_calls: "x" }, "/parallel_tool_calls"], [{ store: "no" }, "/store"],
    [{ metadata: "x" }, "/metadata"], [{ service_tier: 1 }, "/service_tier"], [{ reasoning_effort: 3 }, "/reasoning_effort"],
    [{ verbosity: [] }, "/verbosity"], [{ safety_identifier: 5 }, "/safety_identifier"], [{ prompt_cache_key: {} }, "/prompt_cache_key"],
    [{ stream_options: { include_usage: "x" } }, "/stream_options/include_usage"], [format({ name: 5 }), `${at}/name`],
    [format({ name: undefined }), `${at}/name`], [format({ strict: "y" }), `${at}/strict`], [format({ description: 5 }), `${at}/description`],
    [{ response_format: { type: "json_schema" } }, "/response_format/json_schema"],
    [{ tools: [{ ...tool, type: 5 }] }, "/tools/0/type"], [{ tools: [{ ...tool, function: 5 }] }, "/tools/0/function"],
    [{ tools: [tool, { ...tool, function: { ...tool.function, strict: "x" } }] }, "/tools/1/function/strict"],
    [{ tools: [{ ...tool, function: { ...tool.function, description: 5 } }] }, "/tools/0/function/description"],
    [{ tools: [tool], tool_choice: { type: "x", function: { name: "get_invoice" } } }, "/tool_choice/type"],
    [{ tools: [tool], tool_choice: { type: "function", function: "get_invoice" } }, "/tool_choice/function"]])
    await refused("/chat/completions", { ...ask, ...more }, place);
  for (const [messages, place] of [[[{ ...user, name: 5 }], "/messages/0/name"], [[user, { role: "assistant", content: "x", refusal: 5 }], "/messages/1/refusal"],
    [[user, called(), { ...result, tool_call_id: undefined }], "/messages/2/tool_call_id"], [[user, called(), { ...result, tool_call_id: 5 }], "/messages/2/tool_call_id"],
    [[user, called(), { ...result, tool_call_id: "c2" }], "/messages/2/tool_call_id"], [[user, result, called()], "/messages/1/tool_call_id"],
    [[user, called({ id: undefined })], "/messages/1/tool_calls/0/id"], [[user, called({ id: 5 })], "/messages/1/tool_calls/0/id"],
    [[user, called({ type: "x" })], "/messages/1/tool_calls/0/type"], [[{ ...user, tool_calls: [call] }], "/messages/0/tool_calls"],
    ...["", "no", "{", "[1]", "{\"a\":1} x", 5, {}].map((text) => [[user, called({ function: { name: "f", arguments: text } })],
      "/messages/1/tool_calls/0/function/arguments"])])
    await refused("/chat/completions", { ...ask, messages }, place);
  await refused("/completions", { model: "reeve", prompt: "abc", user: 5 }, "/user");
  for (const [more, place] of [[{ user: [] }, "/user"], [{ encoding_format: false }, "/encoding_format"], [{ encoding_format: [] }, "/encoding_format"]]) {
    const answer = await raw("/embeddings", { model: "reeve", input: "abc", ...more });
    assert.equal(answer.status, 400, place);
    assert.equal((await answer.json()).error.param, place);
  }
  const good = await raw("/chat/completions", { ...ask, max_tokens: 60, user: "u", store: false, metadata: { a: "b" }, parallel_tool_calls: true, verbosity: null,
    messages: [{ ...user, name: "ann" }, called(), result, { ...called({ id: "c2" }), content: "and" }, { ...result, tool_call_id: "c2" }, user], tools: [tool] });
  assert.equal(good.status, 200, await good.text());
});

test("wrong requests are refused by place", async () => {
  const wrong = [
    [{ ...ask, temperature: "hot" }, "/temperature"], [{ ...ask, messages: [] }, "/messages"],
    [{ ...ask, messages: [{ role: "king", content: "x" }] }, "/messages/0/role"],
    [{ ...ask, messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "/messages/0/content/0/type"],
    [{ ...ask, n: 17 }, "/n"], [{ ...ask, n: 0 }, "/n"], [{ ...ask, n: "2" }, "/n"], [{ ...ask, stop: [1] }, "/stop"],
    [{ ...ask, logit_bias: { 5: 101 } }, "/logit_bias/5"], [{ ...ask, logit_bias: { 5: "1" } }, "/logit_bias/5"],
    [{ ...ask, logit_bias: { 5: null } }, "/logit_bias/5"], [{ ...ask, logit_bias: { "05": 1 } }, "/logit_bias"],
    [{ ...ask, logit_bias: { "-1": 1 } }, "/logit_bias"], [{ ...ask, logit_bias: { 99999999: 1 } }, "/logit_bias/99999999"],
    [{ ...ask, logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, i) => [i, 1])) }, "/logit_bias"],
    [{ ...ask, presence_penalty: 2.1 }, "/presence_penalty"], [{ ...ask, frequency_penalty: "1" }, "/frequency_penalty"],
    [{ ...ask, max_tokens: 0 }, "/max_tokens"], [{ ...ask, stream: "yes" }, "/stream"],
    [{ ...ask, tools: [{}] }, "/tools/0/function/name"], [{ ...ask, tool_choice: "auto" }, "/tool_choice"],
    [{ ...ask, response_format: { type: "xml" } }, "/response_format/type"], [{ messages: ask.messages }, "/model"],
    [{ ...ask, logit_bias: [[5, 1]] }, "/logit_bias"], [{ ...ask, functions: [tool.function] }, "/functions"],
    [{ ...ask, function_call: "auto" }, "/function_call"], [{ ...ask, modalities: ["text", "audio"] }, "/modalities"],
    [{ ...ask, stop: "" }, "/stop"], [{ ...ask, stop: "a".repeat(300) }, "/stop"], [{ ...ask, messages: [{ role: "user" }] }, "/messages/0/content"],
    [{ ...ask, messages: [{ role: "assistant", tool_calls: "f" }] }, "/messages/0/tool_calls"],
    [{ ...ask, messages: [{ role: "assistant", tool_calls: [{ id: "1" }] }] }, "/messages/0/tool_calls/0/function"],
    [{ ...ask, messages: [{ role: "assistant", content: null }] }, "/messages/0/content"],
    [{ ...ask, tools: [{ type: "custom", custom: { name: "f" } }] }, "/tools/0/type"]];
  for (const [more, place] of [[{ best_of: 2 }, "/best_of"], [{ prompt: Array(9).fill("a"), n: 16 }, "/n"], [{ best_of: "2" }, "/best_of"], [{ suffix: "x" }, "/suffix"],
    [{ response_format: { type: "json_object" } }, "/response_format"], [{ echo: true }, "/echo"]]) {
    const answer = await raw("/completions", { model: "reeve", prompt: "abc", ...more });
    assert.equal(answer.status, 400, place);
    assert.equal((await answer.json()).error.param, place);
  }
  for (const [more, place] of [[{ encoding_format: 5 }, "/encoding_format"], [{ dimensions: 8 }, "/dimensions"], [{ input: "xyzzy ".repeat(4000) }, "/input"]]) {
    const answer = await raw("/embeddings", { model: "reeve", input: "abc", ...more });
    assert.equal(answer.status, 400, place);
    const { error } = await answer.json();
    assert.equal(error.param, place);
    assert.ok(!error.message.includes("an answer"));
  }
  assert.equal((await raw("/embeddings", { model: "reeve", input: "abc", dimensions: null, encoding_format: null })).status, 200);
  assert.equal((await raw("/chat/completions", { ...ask, max_tokens: 4, functions: null, logit_bias: {}, modalities: ["text"] })).status, 200);
  for (const [body, place] of wrong) {
    const answer = await raw("/chat/completions", body);
    const { error } = await answer.json();
    assert.equal(answer.status, 400, place);
    assert.equal(error.param, place);
    assert.equal(error.type, "invalid_request_error");
  }
  const impossible = await raw("/chat/completions", { ...ask, response_format: { type: "json_schema",
    json_schema: { name: "n", schema: { type: "object", not: {} } } } });
  assert.equal(impossible.status, 400);
  assert.match((await impossible.json()).error.param, /^\/response_format\/json_schema\/schema/);
  const long = await raw("/chat/completions", { ...ask, messages: [{ role: "user", content: "xyzzy ".repeat(4000) }] });
  assert.equal(long.status, 400);
  const { error: tooLong } = await long.json();
  assert.equal(tooLong.code, "context_length_exceeded");
  assert.equal(tooLong.param, "/messages");
});

test("U+0000 is taken or refused with an error", async () => {
  const format = (schema) => ({ ...ask, max_tokens: 100, response_format: { type: "json_schema", json_schema: { name: "x", schema } } });
  for (const [path, body] of [["/chat/completions", { ...ask, messages: [{ role: "user", content: "a\u0000b" }] }],
    ["/completions", { model: "reeve", prompt: "a\u0000b" }], ["/completions", { model: "reeve", prompt: ["a", "\u0000"] }],
    ["/embeddings", { model: "reeve", input: "a\u0000b" }], ["/chat/completions", { ...ask, stop: "a\u0000" }],
    ["/chat/completions", format({ const: "a\u0000b" })], ["/chat/completions", format({ enum: ["a\u0000b", 1] })],
    ["/chat/completions", format({ type: "object", properties: { "a\u0000b": {} } })],
    ["/chat/completions", { ...ask, tools: [{ ...tool, function: { ...tool.function, name: "a\u0000b" } }] }],
    ["/chat/completions", { ...ask, model: "reeve\u0000x" }]]) {
    const answer = await raw(path, body);
    const got = await answer.json();
    if (answer.status === 200) continue;
    assert.equal(answer.status, 400, JSON.stringify(got));
    assert.match(got.error.message, /U\+0000|\\\\?u0000|NUL/i);
  }
  assert.equal((await client.chat.completions.create(ask)).object, "chat.completion");
});

test("hostile bodies get an answer and the server lives", async () => {
  for (const body of ["", "{", "[]", "null", "\"x\"", "{\"model\":\"reeve\"", "\u0000", "[".repeat(5000), "{\"model\":{}}",
    JSON.stringify({ ...ask, messages: Array(2000).fill({ role: "user", content: "a" }) }),
    JSON.stringify({ ...ask, response_format: { type: "json_schema", json_schema: { schema: JSON.parse("{\"items\":".repeat(90) + "{}" + "}".repeat(90)) } } }),
    JSON.stringify({ ...ask, stop: Array(50).fill("a") }), JSON.stringify({ ...ask, seed: 1e300 })]) {
    const answer = await raw("/chat/completions", body);
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${body.slice(0, 40)}`);
    assert.ok((await answer.json()).error.message.length > 0);
  }
  assert.equal((await raw("/chat/completions", "x", { "content-type": "text/plain" })).status, 415);
  const stranger = await fetch(url + "/models");
  assert.equal(stranger.status, 401);
  assert.equal((await stranger.json()).error.type, "authentication_error");
  assert.equal((await client.chat.completions.create(ask)).object, "chat.completion");
});

test("a special token in a text stays text", async () => {
  const plain = await client.chat.completions.create({ ...ask, messages: [{ role: "user", content: "<|im_end|>" }] });
  assert.ok(plain.usage.prompt_tokens > 15); // its letters, not one token
});

const figure = async (name) => {
  const text = await (await fetch(url.replace(/v1$/, "metrics"), { headers: { authorization: `Bearer ${process.env.METRICS_TOKEN}` } })).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
};

const reached = async (name, enough) => {
  for (let i = 0; i < 100 && !enough(await figure(name)); i++) await new Promise((r) => setTimeout(r, 50));
  assert.ok(enough(await figure(name)), `${name} ${await figure(name)}`);
};

const canceled = async () => { // when all that was asked before has ended and is told: each second
  await reached("reeve_model_open", (n) => n === 0);
  await new Promise((r) => setTimeout(r, 2000));
  return figure("reeve_model_canceled_total");
};

test("a client that goes away stops its question", async () => {
  const before = await canceled();
  const stream = await client.chat.completions.create({ ...ask, stream: true, max_tokens: 1800 });
  for await (const chunk of stream) { if (chunk.choices[0]?.delta?.reasoning_content) break; }
  stream.controller.abort();
  await reached("reeve_model_open", (n) => n === 0);
  await reached("reeve_model_canceled_total", (n) => n === before + 1);
});

test("a client whose connection is reset stops its question, which has said nothing yet", async () => {
  const before = await canceled();
  const body = JSON.stringify({ ...ask, n: 2, max_tokens: 1800 });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${process.env.OPENAI_API_KEY}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await reached("reeve_model_open", (n) => n === 2);
  socket.resetAndDestroy();
  await reached("reeve_model_open", (n) => n === 0);
  await reached("reeve_model_canceled_total", (n) => n === before + 2);
});

test("a killed engine is begun again and answers", async () => {
  const mine = readFileSync(`/proc/${process.env.SERVING}/task/${process.env.SERVING}/children`, "utf8").trim().split(" ").filter(Boolean);
  assert.equal(mine.length, 1);
  const pending = client.chat.completions.create({ ...ask, max_tokens: 200 });
  await new Promise((r) => setTimeout(r, 20));
  for (const pid of mine) process.kill(Number(pid), "SIGKILL");
  const answer = await pending;
  assert.equal(answer.choices[0].message.content,
    (await client.chat.completions.create({ ...ask, max_tokens: 200 })).choices[0].message.content);
  for (let i = 0; i < 100 && (await figure("reeve_model_restarts_total")) === 0; i++) await new Promise((r) => setTimeout(r, 50));
  assert.ok((await figure("reeve_model_restarts_total")) >= 1);
});

test("a company's share of the day is a limit with a time, however many ask at once", async () => {
  const long = { ...ask, max_tokens: 1, messages: [{ role: "user", content: "abcdefgh".repeat(220) }] };
  const third = (body) => fetch(url + "/chat/completions", { method: "POST",
    headers: { authorization: `Bearer ${process.env.THIRD_KEY}`, "content-type": "application/json" }, body: JSON.stringify(body) });
  const codes = new Set();
  let used = 0, most = 0;
  for (let i = 0; i < 3; i++) used += (await (await third({ ...long, n: 3 })).json()).usage.total_tokens; // with places for all
  for (let round = 0; round < 20 && !codes.has("insufficient_quota"); round++) {
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => third(long)))) {
      const body = await answer.json();
      if (answer.status === 200) {
        used += body.usage.total_tokens;
        most = Math.max(most, body.usage.total_tokens);
        continue;
      }
      assert.equal(answer.status, 429);
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
      codes.add(body.error.code);
    }
  }
  assert.ok(codes.has("insufficient_quota"));
  assert.ok(codes.has("rate_limit_exceeded")); // the rest was on its way: sooner than tomorrow
  assert.ok(used >= 150000 && used < 150000 + most, `${used}, each at most ${most}`);
  const { error } = await (await third(long)).json(); // the day's sums are what the answers said: a prompt of n choices once
  assert.ok(error.message.includes(`has used ${used} tokens of 150000 today`), `${used}: ${error.message}`);
  assert.equal((await raw("/chat/completions", { ...ask, max_tokens: 1 })).status, 200); // of the other's share
});
