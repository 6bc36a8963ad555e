/** Parts of pages without a page: search, kinds of features, answers as files. */
import assert from "node:assert/strict";
import type { Importance } from "../../../serving_api/web/src/data/types.ts";
import { numbersOf } from "../../../serving_api/web/src/i18n/amount.ts";
import { byKind } from "../../../serving_api/web/src/pages/models/kinds.ts";
import { matches } from "../../../serving_api/web/src/pages/search.ts";
import { depthOf, yearsOf } from "../../../serving_api/web/src/pages/trading/months.ts";
import { mondayOf, shifted, toneOf } from "../../../serving_api/web/src/pages/week.ts";
import { answerRows } from "../../../serving_api/web/src/ui/answerRows.ts";

Deno.test("a target is found when it holds every word, without case and signs", () => {
  const targets = ["Komoditas: Bawang Merah", "Komoditas: Bawang Putih", "Peta"].map((text) => ({ text, url: text }));
  const found = (words: string) => matches(targets, words).map(({ text }) => text);
  assert.deepEqual(found("bawang-MERAH"), ["Komoditas: Bawang Merah"]);
  assert.deepEqual(found("bawang"), ["Komoditas: Bawang Merah", "Komoditas: Bawang Putih"]);
  assert.equal(found("").length, 3);
  assert.deepEqual(found("bawang hijau"), []);
});

Deno.test("features add up by their kind, and one that is not known is no other kind", () => {
  const items = ([["r7", 0.2], ["gap_ma7", 0.1], ["n7", 0.2], ["gap", 0.1], ["rain7", 0.15], ["fitri", 0.05], ["dollar28", 0.2]] as const).map(([feature, importance], rank) => ({ feature, importance, rank }) as Importance);
  const sums = new Map(byKind(items).map(([kind, share]) => [kind, Math.round(100 * share)]));
  assert.deepEqual(Object.fromEntries(sums), { driver_own: 30, driver_provinces: 30, driver_other: 20, driver_weather: 15, driver_calendar: 5 });
});

Deno.test("an answer is saved as its longest list, its days, or itself", () => {
  const meta = { as_of: null };
  assert.deepEqual(answerRows({ items: [{ a: 1, b: { c: 2 }, d: null }], next_cursor: null, meta }), [{ a: 1, b: '{"c":2}', d: null }]);
  assert.deepEqual(answerRows({ short: [{ a: 1 }], long: [{ b: 1 }, { b: true }], meta }), [{ b: 1 }, { b: "true" }]);
  assert.deepEqual(answerRows({ valid: true, length: 3, meta }), [{ valid: "true", length: 3 }]);
  const series = { dates: ["2026-11-20", "2026-11-21"], regions: [{ name: "Aceh" }], price_idr: [[1, null]], national: [2, 3], unit: "kg", meta };
  assert.deepEqual(answerRows(series), [{ date: "2026-11-20", national: 2, Aceh: 1 }, { date: "2026-11-21", national: 3, Aceh: null }]);
});

Deno.test("a day belongs to the week of the Monday before it, over the ends of months and years", () => {
  assert.deepEqual(["2026-11-23", "2026-11-29", "2027-01-01", "2024-03-01"].map(mondayOf), ["2026-11-23", "2026-11-23", "2026-12-28", "2024-02-26"]);
  assert.equal(shifted("2024-02-26", 6), "2024-03-03");
  assert.deepEqual([0.005, -0.005, 0.0049, -0.0049].map(toneOf), ["rose", "fell", "stayed", "stayed"]);
});

Deno.test("values to try are read with a decimal comma or point, and what is no number is left out", () => {
  assert.deepEqual(["5; 10;20", "1,5; 2", "1.5, 2", "0,5", "x; 7", ""].map(numbersOf), [[5, 10, 20], [1.5, 2], [1.5, 2], [0.5], [7], []]);
});

Deno.test("months of a backtest become years, each month on top of the one before", () => {
  const month = (name: string, return_pct: number | null) => ({ month: name, return_pct });
  const years = yearsOf([month("2024-12", 10), month("2025-01", 10), month("2025-02", -50), month("2025-04", null)]);
  assert.deepEqual(years.map(({ year, months }) => [year, months[0], months[1], months[3], months[11]]), [["2024", null, null, null, 10], ["2025", 10, -50, null, null]]);
  assert.deepEqual(years.map(({ total }) => Math.round(total!)), [10, -45]);
  assert.deepEqual([depthOf(-8, 8), depthOf(4, 8), depthOf(0, 8), depthOf(1, 0)], [42, 21, 0, 0]);
});
