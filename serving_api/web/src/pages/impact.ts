/** The shares of the factors of a week, without a page. */
import type { Factor, ImpactWeek } from "../data/types.ts";

/** The shares of a week, largest first; those that are 0 are left out. */
export function shares(week: ImpactWeek): [Factor, number][] {
  return (Object.entries(week.factors_with_weights) as [Factor, number][])
    .filter(([, weight]) => weight > 0)
    .sort(([, one], [, other]) => other - one);
}

/** Text of the way in which a factor moved with the price. */
export function direction(week: ImpactWeek, factor: Factor): "impact_down" | "impact_up" {
  return week.directions[factor] === "down" ? "impact_down" : "impact_up";
}

/** Whether more of the move is unexplained than goes with any factor, whose weights are shares of the rest. */
export function isMostlyUnexplained(week: ImpactWeek): boolean {
  const explained = (100 - week.unexplained_pct) / 100;
  return shares(week).every(([, weight]) => weight * explained < week.unexplained_pct);
}
