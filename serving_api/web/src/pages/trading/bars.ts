/** Bars of a symbol: how long one lasts, and when the order of a moment fills. */
import type { Bar } from "../../data/types.ts";

const LENGTHS: Record<string, number> = { "1m": 60_000, "5m": 300_000, "15m": 900_000, "1d": 86_400_000 };

/** Bars oldest first, each once: of one that was reported again the newest report, which comes first. */
export function eachOnce(newestFirst: readonly Bar[]): Bar[] {
  const known = new Map<string, Bar>();
  for (const bar of newestFirst) if (!known.has(bar.bar_time)) known.set(bar.bar_time, bar);
  return [...known.values()].reverse();
}

/** ms that a bar lasts: the shortest step between them; null for fewer than two. */
export function lengthOf(bars: readonly Bar[]): number | null {
  const times = bars.map((bar) => Date.parse(bar.bar_time));
  const steps = times.slice(1).map((time, nth) => Math.abs(time - times[nth])).filter((step) => step > 0);
  return steps.length ? Math.min(...steps) : null;
}

/** The key of a bar or signal by its begin; null for a signal of bars of another length. */
export function keyOf({ bar_time, interval }: { bar_time: string; interval: string }, length: number | null): string | null {
  return length === null || LENGTHS[interval] === length ? bar_time : null;
}

/** When an order that was decided then fills, and when that is known: the bar after the newest closed one. */
export function fillOf(bars: readonly Bar[], decidedAt: string): { opens: string; closes: string } | null {
  const length = lengthOf(bars);
  if (length === null) return null;
  const closed = bars.map((bar) => Date.parse(bar.bar_time) + length).filter((close) => close <= Date.parse(decidedAt));
  if (!closed.length) return null;
  const opens = Math.max(...closed);
  return { opens: new Date(opens).toISOString(), closes: new Date(opens + length).toISOString() };
}
