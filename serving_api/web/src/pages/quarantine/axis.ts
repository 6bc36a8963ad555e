/** The scale of an axis of money: linear, by ratio where the largest value is more than twenty times the smallest. */
export interface Axis {
  /** Place of a value, 0 to 1. */
  share: (value: number) => number;
  ticks: number[];
  isLog: boolean;
}
const LOG_RATIO = 20;
const MARGIN = 0.06;

export function axisOf(given: (number | null)[]): Axis {
  const values = given.filter((value): value is number => value !== null && value > 0);
  const isLog = Math.max(...values) / Math.min(...values) > LOG_RATIO;
  const [to, from] = isLog ? [Math.log, Math.exp] : [(value: number) => value, (value: number) => value];
  const low = to(Math.min(...values));
  const size = to(Math.max(...values)) - low || Math.abs(low) || 1;
  const start = low - MARGIN * size;
  const range = size * (1 + 2 * MARGIN);
  const share = (value: number) => Math.max(0, Math.min(1, (to(value) - start) / range));
  const rounded = (value: number) => {
    const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1)) - 2);
    return Math.round(value / step) * step;
  };
  const ticks = [low, low + size / 2, low + size].map((place) => rounded(from(place)));
  return { share, ticks: [...new Set(ticks)], isLog };
}
