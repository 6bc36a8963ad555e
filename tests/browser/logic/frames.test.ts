/** The live chart keeps the newest thousand frames of twenty series, in the arrays that it began with. */
import assert from "node:assert/strict";
import { Frames, MOST_FRAMES, MOST_SERIES } from "../../../serving_api/web/src/chart/frames.ts";

const UNKNOWN = () => NaN;
const changes = (...pairs: [string, number][]) => new Map(pairs);

Deno.test("a series begins at the price before its first change, and stays where nothing changes", () => {
  const frames = new Frames(100);
  frames.push(101, changes(["a", 11]), () => 10);
  frames.push(102, changes(["b", 21]), UNKNOWN);
  const [times, a, b] = frames.columns().map((row) => [...row]);
  assert.deepEqual([times, a, b], [[100, 101, 102], [10, 11, 11], [NaN, NaN, 21]]);
  assert.equal(frames.count, 2);
  const [low, high] = frames.range();
  assert.ok(low < 10 && low > 8 && high > 21 && high < 23);
});

Deno.test("beyond its room the oldest frames go and nothing is allocated", () => {
  const frames = new Frames(0);
  frames.push(1, changes(["a", 1]), UNKNOWN);
  const { buffer } = frames.rows.get("a")!;
  for (let nth = 2; nth <= 3 * MOST_FRAMES; nth++) frames.push(nth, changes(["a", nth]), UNKNOWN);
  const [times, a] = frames.columns();
  assert.equal(times.length, MOST_FRAMES);
  assert.deepEqual([times[0], times.at(-1), a[0], a.at(-1)], [2 * MOST_FRAMES + 1, 3 * MOST_FRAMES, 2 * MOST_FRAMES + 1, 3 * MOST_FRAMES]);
  assert.equal(a.buffer, buffer);
});

Deno.test("more series than are drawn are left out, and no price is no range", () => {
  const frames = new Frames(0);
  assert.deepEqual(frames.range(), [0, 1]);
  frames.push(1, new Map(Array.from({ length: 30 }, (_, nth) => [`m${nth}`, nth + 1])), UNKNOWN);
  assert.equal(frames.rows.size, MOST_SERIES);
  assert.equal(frames.columns().length, MOST_SERIES + 1);
});
