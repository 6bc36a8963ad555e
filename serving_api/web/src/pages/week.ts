/** Weeks of the Monday sheet. */
const DAY_MS = 86_400_000;

/** The day that many days later. */
export const shifted = (iso: string, days: number): string => new Date(Date.parse(`${iso}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
/** The Monday of the week of a day. */
export const mondayOf = (iso: string): string => shifted(iso, -((new Date(`${iso}T00:00:00Z`).getUTCDay() + 6) % 7));

/** What an index did, as it reads with two digits. */
export function toneOf(index: number): "rose" | "fell" | "stayed" {
  return index >= 0.005 ? "rose" : index <= -0.005 ? "fell" : "stayed";
}
