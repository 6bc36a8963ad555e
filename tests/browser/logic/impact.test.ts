/** Which comes first on the panel of causes: the factors, or what no factor explains. */
import assert from "node:assert/strict";
import type { ImpactWeek } from "../../../serving_api/web/src/data/types.ts";
import { direction, isMostlyUnexplained, shares } from "../../../serving_api/web/src/pages/impact.ts";

const week = (unexplained_pct: number, factors_with_weights: object) => ({ unexplained_pct, factors_with_weights }) as unknown as ImpactWeek;

Deno.test("the unexplained share comes first when it is the largest of the whole", () => {
  const weights = { demand: 97.2, distribution: 2.1, season: 0.8, weather: 0 };
  assert.equal(isMostlyUnexplained(week(79.7, weights)), true); // demand: 19.7 of the whole
  assert.equal(isMostlyUnexplained(week(40, weights)), false); // demand: 58.3 of the whole
  assert.equal(isMostlyUnexplained(week(100, {})), true);
  assert.deepEqual(shares(week(40, weights)).map(([name]) => name), ["demand", "distribution", "season"]);
});

Deno.test("a factor that went with a fall says so", () => {
  const fallen = { directions: { cuaca: "down", musim: "up" } } as unknown as ImpactWeek;
  assert.equal(direction(fallen, "cuaca"), "impact_down");
  assert.equal(direction(fallen, "musim"), "impact_up");
});
