/** The queue as data: keys, the place in the list, marks, and when a decision is complete. No network, no page. */
export type Verdict = "release" | "correct" | "reject";
export interface Draft {
  verdict: Verdict | null;
  reason: string;
  correction: Record<string, unknown> | null;
}
export const NO_DRAFT: Draft = { verdict: null, reason: "", correction: null };
export const LEAST_REASON = 5;
export const MOST_REASON = 500;
export const MOST_MARKED = 500;

export type Command =
  | { act: "move"; by: number }
  | { act: "end"; to: "first" | "last" }
  | { act: "choose"; verdict: Verdict; suggested: boolean }
  | { act: "reason"; nth: number }
  | { act: "send" | "mark" | "mark_rule" | "filter" | "help" | "undo" };
export interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}
const PAGE_ROWS = 8;
const BY_KEY: Record<string, Command> = {
  arrowdown: { act: "move", by: 1 },
  j: { act: "move", by: 1 },
  arrowup: { act: "move", by: -1 },
  k: { act: "move", by: -1 },
  pagedown: { act: "move", by: PAGE_ROWS },
  pageup: { act: "move", by: -PAGE_ROWS },
  home: { act: "end", to: "first" },
  end: { act: "end", to: "last" },
  a: { act: "choose", verdict: "release", suggested: false },
  e: { act: "choose", verdict: "correct", suggested: false },
  u: { act: "choose", verdict: "correct", suggested: true },
  t: { act: "choose", verdict: "reject", suggested: false },
  x: { act: "mark" },
  f: { act: "filter" },
  z: { act: "undo" },
  "?": { act: "help" },
};

/** What a key asks for. In a field only Ctrl+Enter counts: everything else is text. */
export function commandOf(key: Key, isField: boolean): Command | null {
  const name = key.key.toLowerCase();
  if (key.altKey) return null;
  if (key.ctrlKey || key.metaKey) return name === "enter" ? { act: "send" } : null;
  if (isField) return null;
  if (name === "x" && key.shiftKey) return { act: "mark_rule" };
  if (/^[1-9]$/.test(name)) return { act: "reason", nth: Number(name) };
  return Object.hasOwn(BY_KEY, name) ? BY_KEY[name] : null;
}

/** The id `by` rows further down, at most to an end of the list; the first one when `at` is not in it. */
export function moved(ids: readonly string[], at: string | null, by: number): string | null {
  const index = at === null ? -1 : ids.indexOf(at);
  if (index < 0) return ids[0] ?? null;
  return ids[Math.max(0, Math.min(ids.length - 1, index + by))];
}

/** The id that is shown once `leaving` have left the list: the next one, else the one before. */
export function nextAfter(ids: readonly string[], leaving: ReadonlySet<string>, at: string | null): string | null {
  if (at === null || !leaving.has(at)) return at;
  const index = ids.indexOf(at);
  const stays = (id: string) => !leaving.has(id);
  return ids.slice(index + 1).find(stays) ?? ids.slice(0, Math.max(0, index)).findLast(stays) ?? null;
}

export function toggled(marked: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(marked);
  if (!next.delete(id) && next.size < MOST_MARKED) next.add(id);
  return next;
}

/** Marks with every row that violates one of the rules, up to 500 marks. */
export function withRule(rows: readonly { event_id: string; reasons: { rule: string }[] }[], rules: ReadonlySet<string>, marked: ReadonlySet<string>): ReadonlySet<string> {
  const ids = rows.filter((row) => row.reasons.some((reason) => rules.has(reason.rule))).map((row) => row.event_id);
  return new Set([...marked, ...ids].slice(0, MOST_MARKED));
}

/** Whether a decision has all that the API asks for. */
export function isComplete({ verdict, reason, correction }: Draft): boolean {
  const length = reason.trim().length;
  return verdict !== null && length >= LEAST_REASON && length <= MOST_REASON && (verdict === "correct") === (correction !== null);
}

/** The rows of a long list that are drawn: those in sight and a few around them. */
export function windowOf(count: number, rowHeight: number, top: number, height: number, around = 6): { first: number; last: number } {
  const first = Math.max(0, Math.floor(top / rowHeight) - around);
  return { first, last: Math.min(count, Math.ceil((top + height) / rowHeight) + around) };
}
