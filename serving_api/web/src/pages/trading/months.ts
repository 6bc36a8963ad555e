/** Monthly returns as years, for the heat map of a backtest. */
export interface Year {
  year: string;
  /** Percent by month from January on; null where nothing was tested. */
  months: (number | null)[];
  /** Percent over its months that were tested, each on top of the one before. */
  total: number | null;
}
const MONTHS = 12;
/** How much of a colour the largest month has, percent: text on it stays readable. */
const DEEPEST = 42;

/** The years of months `YYYY-MM`, oldest first. */
export function yearsOf(months: readonly { month: string; return_pct: number | null }[]): Year[] {
  const years = new Map<string, Year>();
  for (const { month, return_pct } of months) {
    const [year, number] = month.split("-");
    const row = years.get(year) ?? { year, months: Array<number | null>(MONTHS).fill(null), total: null };
    years.set(year, row);
    row.months[Number(number) - 1] = return_pct;
    if (return_pct !== null) row.total = 100 * ((1 + (row.total ?? 0) / 100) * (1 + return_pct / 100) - 1);
  }
  return [...years.values()].sort((one, other) => one.year.localeCompare(other.year));
}

/** Percent of colour behind a return, by the largest one on either side. */
export const depthOf = (value: number, most: number): number => (most > 0 ? Math.round((DEEPEST * Math.min(Math.abs(value), most)) / most) : 0);
