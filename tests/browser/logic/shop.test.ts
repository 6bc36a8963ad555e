/** Figures that the pages of a shop compute themselves: changes between periods, days, reviews that are needed. */
import assert from "node:assert/strict";
import { changePct, dailyRevenue, driverOf, mostChanged, total, type Period } from "../../../serving_api/web/src/pages/shop/changes.ts";
import { reviewsToPass } from "../../../serving_api/web/src/pages/shop/ratings.ts";

const period = (category: string, units: number, price: number, unitsBefore: number | null, priceBefore: number | null): Period => ({
  category,
  days: 28,
  market_date: "2026-04-29",
  units,
  average_net_price: price,
  revenue: units * price,
  units_before: unitsBefore,
  average_net_price_before: priceBefore,
  revenue_before: unitsBefore === null ? null : unitsBefore * priceBefore!,
});

Deno.test("the category that changed most is chosen by size, up or down, and never invented", () => {
  const rows = [period("A", 110, 10, 100, 10), period("B", 50, 10, 100, 10), period("C", 900, 10, null, null)];
  assert.equal(mostChanged(rows)?.category, "B");
  assert.equal(mostChanged([rows[2]]), null);
  assert.equal(mostChanged([]), null);
  assert.deepEqual([total(rows, "revenue"), total(rows, "revenue_before"), total(rows.slice(0, 2), "units_before")], [10_600, null, 200]);
  assert.deepEqual([changePct(110, 100), changePct(110, 0), changePct(110, null), changePct(null, 100)].map((pct) => pct && Math.round(pct)), [10, null, null, null]);
});

Deno.test("a change of revenue is laid to units, to the price, or to both", () => {
  assert.equal(driverOf(period("A", 150, 10, 100, 10.1)), "units");
  assert.equal(driverOf(period("A", 95, 14, 100, 10)), "price");
  assert.equal(driverOf(period("A", 120, 12, 100, 10)), "both");
  assert.equal(driverOf(period("A", 120, 8, 100, 10)), "price", "opposite signs: the larger one");
  assert.equal(driverOf(period("A", 0, 0, 100, 10)), null);
  assert.equal(driverOf(period("A", 10, 10, null, null)), null);
});

Deno.test("each day stands against the same day of the period before; one that is missing is no zero", () => {
  const row = (market_date: string, revenue_new: number, category = "A") => ({ market_date, revenue_new, category, revenue: 0, units_new: 0, units_sold: 0 });
  const rows = [row("2026-03-14", 7), row("2026-03-14", 1, "B"), row("2026-03-13", 6), row("2026-03-11", 4), row("2026-03-07", 3), row("2026-03-06", 2), row("2026-03-01", 0)];
  const drawn = (isAll: boolean, days = 7) => dailyRevenue(rows, days, isAll).map(({ x, y, before }) => [new Date(1000 * x).toISOString().slice(8, 10), y, before]);
  assert.deepEqual(drawn(true), [["11", 4, null], ["13", 6, 2], ["14", 8, 3]]);
  assert.deepEqual(drawn(true, 28)[0], ["06", 2, null], "the first day of a shop has nothing to be new against");
  assert.deepEqual(drawn(false, 28)[0], ["01", 0, null]);
  assert.deepEqual(dailyRevenue([], 7, true), []);
});

Deno.test("the reviews that are needed are the least that lift the rating above the target", () => {
  const after = (rating: number, reviews: number, prior: number, stars: number, more: number) => (rating * (prior + reviews) + stars * more) / (prior + reviews + more);
  for (const [rating, reviews, prior, target, stars] of [[3.64, 1807, 297, 4, 5], [4.2, 10, 3.5, 4.5, 5], [3, 0, 20, 3.2, 4], [4, 90, 10, 4, 5]]) {
    const needed = reviewsToPass(rating, reviews, prior, target, stars)!;
    assert.ok(after(rating, reviews, prior, stars, needed) > target && after(rating, reviews, prior, stars, needed - 1) <= target + 1e-12);
  }
  assert.equal(reviewsToPass(4.1, 50, 10, 4, 5), 0);
  assert.equal(reviewsToPass(4.1, 50, 10, 5, 5), null);
  assert.equal(reviewsToPass(4.1, 50, 10, 4.5, 4.5), null);
});
