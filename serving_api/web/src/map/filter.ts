/** What a map shows: the classes that the reader chose in its legend, and the province under pointer or focus. */
import type { MapClass } from "../data/types.ts";
import { signal } from "@preact/signals";
import { param, setParams } from "../router.ts";
import { classOf } from "./scale.ts";

const PARAMETER = "kelas";
/** The class of provinces without a report. */
export const UNREPORTED = -1;
/** The province that is pointed at, in a map or in its table. */
export const pointed = signal<string | null>(null);

/** The places in the legend of the chosen classes; none: all of them. */
export const chosenClasses = (): ReadonlySet<number> => new Set((param(PARAMETER) ?? "").split(",").filter(Boolean).map(Number));

/** Whether a value is of a chosen class. */
export function isShown(value: number | null, legend: readonly MapClass[]): boolean {
  const classes = chosenClasses();
  return !classes.size || classes.has(classOf(value, legend));
}

export function toggleClass(nth: number): void {
  const classes = new Set(chosenClasses());
  if (!classes.delete(nth)) classes.add(nth);
  setParams({ [PARAMETER]: [...classes].sort((one, other) => one - other).join(",") || null }, false);
}
