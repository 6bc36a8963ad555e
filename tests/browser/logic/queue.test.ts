/** The logic of the review queue and of texts, without a page. */
import assert from "node:assert/strict";
import { amountOf } from "../../../serving_api/web/src/i18n/amount.ts";
import { axisOf } from "../../../serving_api/web/src/pages/quarantine/axis.ts";
import { commandOf, isComplete, moved, MOST_MARKED, nextAfter, NO_DRAFT, toggled, windowOf, withRule } from "../../../serving_api/web/src/pages/quarantine/queue.ts";
import { visible } from "../../../serving_api/web/src/ui/visible.ts";

const key = (name: string, more: object = {}) => ({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });
const IDS = ["a", "b", "c", "d"];

Deno.test("amounts are read as people of both languages type them", () => {
  const cases: [string, number | null][] = [
    ["45.500", 45500],
    ["45,500", 45500],
    ["45500", 45500],
    ["Rp 1.250.000", 1250000],
    ["rp45\u00a0500", 45500],
    ["0.125", 0.125],
    ["45,5", 45.5],
    ["", null],
    ["45.50.0", null],
    ["1.250,000", null],
    ["-5", null],
    ["1e5", null],
    ["abc", null],
  ];
  for (const [text, number] of cases) assert.equal(amountOf(text), number, text);
});

Deno.test("control, zero-width and direction marks of strangers become visible, other text stays", () => {
  assert.equal(visible("a\u202eb\u0000\u200d\ufeff\u2066"), "a⟦U+202E⟧b⟦U+0000⟧⟦U+200D⟧⟦U+FEFF⟧⟦U+2066⟧");
  assert.equal(visible("\u{e0041}"), "⟦U+E0041⟧");
  assert.equal(visible("Cabai é 辣椒\n\t🌶"), "Cabai é 辣椒\n\t🌶");
});

Deno.test("keys are commands outside of fields; inside only Ctrl+Enter counts", () => {
  assert.deepEqual(commandOf(key("j"), false), { act: "move", by: 1 });
  assert.deepEqual(commandOf(key("ArrowUp"), false), { act: "move", by: -1 });
  assert.deepEqual(commandOf(key("U"), false), { act: "choose", verdict: "correct", suggested: true });
  assert.deepEqual(commandOf(key("3"), false), { act: "reason", nth: 3 });
  assert.deepEqual(commandOf(key("X", { shiftKey: true }), false), { act: "mark_rule" });
  assert.deepEqual(commandOf(key("Enter", { ctrlKey: true }), true), { act: "send" });
  for (const name of ["a", "1", "?", "ArrowDown"]) assert.equal(commandOf(key(name), true), null, name);
  for (const name of ["0", "q", "toString", "constructor", "Tab"]) assert.equal(commandOf(key(name), false), null, name);
  assert.equal(commandOf(key("a", { ctrlKey: true }), false), null);
});

Deno.test("moves stay within the list, and the next row is shown when some leave", () => {
  assert.deepEqual([moved(IDS, "b", 1), moved(IDS, "d", 1), moved(IDS, "a", -1), moved(IDS, "b", 8), moved(IDS, null, 1), moved([], "a", 1)], ["c", "d", "a", "d", "a", null]);
  assert.equal(nextAfter(IDS, new Set(["b"]), "b"), "c");
  assert.equal(nextAfter(IDS, new Set(["d"]), "d"), "c");
  assert.equal(nextAfter(IDS, new Set(["b", "c", "d"]), "c"), "a");
  assert.equal(nextAfter(IDS, new Set(["a"]), "c"), "c");
  assert.equal(nextAfter(IDS, new Set(IDS), "b"), null);
});

Deno.test("marks are taken back by the same key and never exceed 500", () => {
  assert.deepEqual([...toggled(toggled(new Set(["a"]), "b"), "a")], ["b"]);
  const rows = Array.from({ length: 600 }, (_, nth) => ({ event_id: `e${nth}`, reasons: [{ rule: nth % 100 === 7 ? "other" : "price_positive" }] }));
  const marked = withRule(rows, new Set(["price_positive"]), new Set(["x"]));
  assert.equal(marked.size, MOST_MARKED);
  assert.ok(marked.has("x") && !marked.has("e7"));
  assert.equal(toggled(marked, "new").size, MOST_MARKED);
});

Deno.test("a decision is complete with a verdict, a reason of 5 characters and a correction where one belongs", () => {
  const draft = { verdict: "release", reason: " why ", correction: null } as const;
  assert.equal(isComplete(NO_DRAFT), false);
  assert.equal(isComplete(draft), false);
  assert.equal(isComplete({ ...draft, reason: "seen by me" }), true);
  assert.equal(isComplete({ ...draft, verdict: "correct", reason: "seen by me" }), false);
  assert.equal(isComplete({ verdict: "correct", reason: "seen by me", correction: { price: 5 } }), true);
  assert.equal(isComplete({ ...draft, reason: "x".repeat(501) }), false);
});

Deno.test("of a long list only what is in sight is drawn", () => {
  assert.deepEqual(windowOf(10_000, 64, 64_000, 640, 6), { first: 994, last: 1016 });
  assert.deepEqual(windowOf(3, 64, 0, 640), { first: 0, last: 3 });
});

Deno.test("an axis of money keeps the order of values, by ratio where they differ much", () => {
  const linear = axisOf([45_000, 46_000, 44_000, 4_500]);
  assert.equal(linear.isLog, false);
  assert.ok(linear.share(4_500) < 0.1 && linear.share(46_000) > 0.9);
  const ratio = axisOf([45, 45_000, null, 44_000]);
  assert.equal(ratio.isLog, true);
  assert.ok(ratio.share(45) < ratio.share(1_000) && ratio.share(1_000) < ratio.share(45_000));
  const same = axisOf([100, 100]);
  assert.ok(same.share(100) >= 0 && same.share(100) <= 1 && same.ticks.every(Number.isFinite));
});
