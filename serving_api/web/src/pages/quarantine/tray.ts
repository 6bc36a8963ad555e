/**
 * Decisions on their way. A decision cannot be taken back, so it waits here before it is sent, also while
 * another page is shown. It is sent with a key, so that a repeat counts once; then its outcome is followed.
 */
import { computed, signal } from "@preact/signals";
import { refreshShown } from "../../data/feed.ts";
import { problemOf } from "../../data/problem.ts";
import { request, sendJson } from "../../data/session.ts";
import type { Decided, Page, QuarantineItem, QuarantineRow, ReceiptOf } from "../../data/types.ts";
import { t } from "../../i18n/index.ts";
import type { Draft, Verdict } from "./queue.ts";
import { titleOf } from "./words.ts";

export type State = "waiting" | "sending" | "pending" | "silver" | "quarantine" | "closed" | "failed";
export interface Entry {
  key: string;
  ids: string[];
  title: string;
  verdict: Verdict;
  body: Record<string, unknown>;
  sendsAt: number;
  state: State;
  /** What the API said about it. */
  note: string;
  /** Whether sending it again may help. */
  repeats: boolean;
}
export const WAIT_MS = 8_000;
const RETRIES = 5;
const RETRY_MS = 2_000;
const FOLLOW_MS = 2_000;
const FOLLOWED_ROUNDS = 60;
const SHOWN_MS = 12_000;
/** After an outcome the list and the counts are read again: its tables arrive within seconds. */
const READ_AFTER_MS = [0, 2_000, 10_000];
const QUEUE = "/api/v1/quarantine";
const FINAL: ReadonlySet<State> = new Set(["silver", "quarantine", "closed", "failed"]);

export const tray = signal<Entry[]>([]);
/** Rows that are decided here: the list no longer shows them. */
const decided = signal<ReadonlySet<string>>(new Set());
export const away = computed<ReadonlySet<string>>(() => new Set([...decided.value, ...tray.value.filter(({ state }) => state !== "failed").flatMap(({ ids }) => ids)]));
const timers = new Map<string, number>();

const pathOf = (id: string) => `${QUEUE}/${encodeURIComponent(id)}`;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function change(key: string, changes: Partial<Entry>): void {
  tray.value = tray.value.map((entry) => (entry.key === key ? { ...entry, ...changes } : entry));
  if (!changes.state || !FINAL.has(changes.state)) return;
  for (const wait of READ_AFTER_MS) setTimeout(() => refreshShown(QUEUE), wait);
  if (changes.state !== "failed") setTimeout(() => dismiss(key), SHOWN_MS);
}

/** Let a complete decision on these rows wait, then send it. */
export function put(rows: QuarantineRow[], draft: Draft): void {
  const key = crypto.randomUUID();
  const title = rows.length === 1 ? titleOf(rows[0]) : t("queue_rows", { count: rows.length });
  const body = { decision: draft.verdict, reason: draft.reason.trim(), ...(draft.correction ? { correction: draft.correction } : {}) };
  const ids = rows.map((row) => row.event_id);
  tray.value = [...tray.value, { key, ids, title, verdict: draft.verdict!, body, sendsAt: Date.now() + WAIT_MS, state: "waiting", note: "", repeats: false }];
  timers.set(key, window.setTimeout(() => void send(key), WAIT_MS));
}

/** Take a waiting decision back, the newest one without a key; its rows. */
export function undo(key?: string): string[] {
  const entry = tray.value.findLast((candidate) => candidate.state === "waiting" && (!key || candidate.key === key));
  if (!entry) return [];
  clearTimeout(timers.get(entry.key));
  dismiss(entry.key);
  return entry.ids;
}

export function dismiss(key: string): void {
  timers.delete(key);
  tray.value = tray.value.filter((entry) => entry.key !== key);
}

/** Send a decision now, or again after a failure. */
export async function send(key: string): Promise<void> {
  const entry = tray.value.find((candidate) => candidate.key === key);
  if (!entry) return;
  change(key, { state: "sending", note: "", repeats: false });
  const many = entry.ids.length > 1;
  const url = many ? `${QUEUE}/decisions` : `${pathOf(entry.ids[0])}/decision`;
  const body = many ? { ...entry.body, event_ids: entry.ids } : entry.body;
  const response = await repeated(() => sendJson(url, body, { "Idempotency-Key": key }));
  if (!response) return change(key, { state: "failed", note: t("error_network"), repeats: true });
  if (!response.ok) return refused(entry, response);
  decided.value = new Set([...decided.value, ...entry.ids]);
  if (many) return receipt(key, (await response.json()).items);
  change(key, { state: "pending" });
  await follow(entry, (await response.json()).decision_id);
}

/** The answer; also after a loss of network or a failure that passes. Null: no network at all. */
async function repeated(call: () => Promise<Response>): Promise<Response | null> {
  let response: Response | null = null;
  for (let nth = 0; nth < RETRIES; nth++) {
    response = await call().catch(() => null);
    if (response && response.status < 500 && response.status !== 429) return response;
    if (nth < RETRIES - 1) await pause(1000 * Number(response?.headers.get("Retry-After")) || RETRY_MS);
  }
  return response;
}

/** Somebody was first: who, and what was decided. Everything else returns to the list. */
async function refused(entry: Entry, response: Response): Promise<void> {
  const problem = await problemOf(response);
  if (problem.status !== 409) return change(entry.key, { state: "failed", note: problem.detail || problem.title, repeats: problem.status >= 500 || problem.status === 401 });
  const first = (await decisionsOn(entry.ids[0]))?.items[0];
  if (first) decided.value = new Set([...decided.value, ...entry.ids]);
  const note = first ? t("queue_first", { by: first.decided_by, verdict: t(`verdict_${first.decision}`), reason: first.reason }) : problem.detail;
  change(entry.key, { state: "failed", note });
}

function receipt(key: string, items: ReceiptOf<"/api/v1/quarantine/decisions">["items"]): void {
  const accepted = items.filter((item) => item.status === "accepted").length;
  const returned = items.filter((item) => item.status === "not-releasable").map((item) => item.event_id);
  decided.value = new Set([...decided.value].filter((id) => !returned.includes(id)));
  const note = t("queue_receipt", { accepted, other: items.length - accepted });
  const reason = items.find((item) => item.reason)?.reason;
  change(key, { state: accepted === items.length ? "closed" : "failed", note: reason ? `${note} ${reason}` : note });
}

async function decisionsOn(id: string): Promise<Page<Decided> | null> {
  const response = await request(`${pathOf(id)}/decisions`).catch(() => null);
  return response?.ok ? response.json() : null;
}

/** Ask for the outcome until the stream has processed the decision; a row that fails again says why. */
async function follow(entry: Entry, decisionId: string): Promise<void> {
  for (let nth = 0; nth < FOLLOWED_ROUNDS; nth++) {
    await pause(FOLLOW_MS);
    const outcome = (await decisionsOn(entry.ids[0]))?.items.find((item) => item.decision_id === decisionId)?.outcome;
    if (outcome === "quarantine") {
      const item: QuarantineItem | null = await request(pathOf(entry.ids[0])).then((response) => (response.ok ? response.json() : null), () => null);
      decided.value = new Set([...decided.value].filter((id) => !entry.ids.includes(id)));
      return change(entry.key, { state: "quarantine", note: item?.reasons[0]?.message ?? "" });
    }
    if (outcome === "silver" || outcome === "closed") return change(entry.key, { state: outcome });
  }
  dismiss(entry.key);
}

// A page that is closed loses what waits: the browser asks first.
addEventListener("beforeunload", (event) => {
  if (tray.value.some(({ state }) => state === "waiting" || state === "sending")) event.preventDefault();
});
