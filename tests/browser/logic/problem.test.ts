/** What the pages take from an answer. */
import assert from "node:assert/strict";
import { bodyOf, valueOf } from "../../../serving_api/web/src/data/problem.ts";

Deno.test("characters that reorder text are shown instead of obeyed", async () => {
  const body = { name: "garam\u202egnp.exe\u2066", note: "é – “ok”" };
  const shown = { name: "garam\ufffdgnp.exe\ufffd", note: "é – “ok”" };
  assert.deepEqual(valueOf(JSON.stringify(body)), shown);
  assert.deepEqual(await bodyOf(new Response(JSON.stringify(body))), shown);
});
