/**
 * Prices as they change: one socket per tab. It resumes where it was; where the server cannot, everything that is
 * shown is read again. Where no socket stays open, the changes are polled.
 */
import { signal } from "@preact/signals";
import { address, refreshShown } from "./feed.ts";
import { request } from "./session.ts";
import type { LivePrice, Page } from "./types.ts";

export interface Tick {
  market_id: string;
  commodity: string;
  price_idr: number;
  unit: string;
  event_time: string;
}
/** A price, and when it came here, ms since 1970. */
export interface Arrival extends Tick {
  arrived: number;
}
export type LinkState = "connecting" | "live" | "lost" | "polled";
export interface Link {
  state: LinkState;
  /** When the server was last heard, ms since 1970; null: never. */
  confirmed: number | null;
}
interface Message {
  type: string;
  seq: number;
  channel: string;
  data: unknown;
}

const SETTLE_MS = 250;
const SILENT_MS = 45_000;
const WATCH_MS = 5_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const FAILURES_BEFORE_POLLING = 3;
export const POLL_MS = 5_000;
const MOST_ROWS = 1000;
/** After its message, an alert is in the table: at once, or seconds later when a person has raised it. */
const READ_ALERTS_AFTER_MS = [0, 2_000, 10_000];
/** What is read again when its table has a new version, seconds after a price or a bar. */
const FOLLOWING: Record<string, string[]> = {
  "gold.indicators": ["/api/v1/overview", "/api/v1/series/daily", "/api/v1/map/prices"],
  "gold.bars_live": ["/api/v1/bars", "/api/market/prices"],
  "gold.signals": ["/api/v1/ai/signals", "/api/predictions"],
  "gold.verifications": ["/api/oracle/verifications", "/api/predictions"],
  "gold.signal_outcomes": ["/api/v1/signal-outcomes"],
  "gold.trades": ["/api/trades/history", "/api/v1/performance", "/api/dashboard"],
};
const TABLE = "gold.live_prices";
const LIVE = "/api/public/commodity/price/live";
const ALERTS = "/api/public/alerts/live";

export const link = signal<Link>({ state: "connecting", confirmed: null });
/** The newest price of each market and commodity that came since the page was opened, by `keyOf`. */
export const arrivals = signal<ReadonlyMap<string, Arrival>>(new Map());
export const keyOf = (row: { market_id: string; commodity: string }): string => `${row.market_id}|${row.commodity}`;

const waiting = new Map<string, Arrival>();
let settling = 0;
let connection: WebSocket | null = null;
let session: string | null = null;
let seq = 0;
let failures = 0;
let retry = 0;
let polling = 0;
let version: number | null = null;
let alertReads: number[] = [];
let followed: Record<string, number> = {};

/** What is shown of these tables moves together, when it is in them; a hidden page reads when it is shown again. */
function readFollowing(tables: string[]): void {
  if (!document.hidden) tables.flatMap((table) => FOLLOWING[table]).forEach(refreshShown);
}

/** Figures change at most four times a second: nobody reads faster. */
function settle(): void {
  settling = 0;
  arrivals.value = new Map([...arrivals.value, ...waiting]);
  waiting.clear();
}
function arrive(rows: readonly Tick[]): void {
  const arrived = Date.now();
  for (const row of rows) waiting.set(keyOf(row), { ...row, arrived });
  if (!rows.length) return;
  if (!settling) settling = window.setTimeout(settle, SETTLE_MS);
}
/** Read the alerts that are shown, now and when what was done reaches the table. */
export function readAlerts(): void {
  alertReads.forEach(clearTimeout);
  alertReads = READ_ALERTS_AFTER_MS.map((wait) => window.setTimeout(() => refreshShown(ALERTS), wait));
}
function confirm(state: LinkState): void {
  link.value = { state, confirmed: Date.now() };
}

function take(socket: WebSocket, message: Message): void {
  const send = (body: object) => socket.send(JSON.stringify(body));
  if (message.type === "hello") {
    failures = 0;
    stopPolling();
    send({ type: "subscribe", channel: "prices", batch: true });
    send({ type: "subscribe", channel: "alerts" });
    send({ type: "subscribe", channel: "tables" });
    if (session) send({ type: "resume", channel: "prices", session, last_seq: seq });
    // What was read before the subscription may be older than it.
    for (const shown of session ? [ALERTS, ...Object.values(FOLLOWING).flat()] : [ALERTS, LIVE]) refreshShown(shown);
    session = (message.data as { session: string }).session;
    seq = 0;
  } else if (message.type === "reset") {
    refreshShown("");
  } else if (message.type === "alert") {
    readAlerts();
  } else if (message.type === "tables") {
    const versions = message.data as Record<string, number>;
    readFollowing(Object.keys(FOLLOWING).filter((table) => versions[table] !== followed[table]));
    followed = versions;
  } else if (message.channel === "prices") {
    if (message.seq <= seq) return; // overtaken by a newer one, whose gap has been read again
    if (message.seq > seq + 1) refreshShown("");
    seq = message.seq;
    arrive(message.type === "price_updates" ? (message.data as Tick[]) : [message.data as Tick]);
  }
  confirm("live");
}

function connect(): void {
  clearTimeout(retry);
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/prices`);
  connection = socket;
  let heard = Date.now();
  const watch = window.setInterval(() => Date.now() - heard > SILENT_MS && lose(), WATCH_MS);
  socket.onmessage = (event) => {
    heard = Date.now();
    take(socket, JSON.parse(event.data));
  };
  const lose = () => {
    if (connection !== socket) return;
    connection = null;
    clearInterval(watch);
    socket.onmessage = null;
    socket.close();
    failures++;
    if (link.value.state !== "polled") link.value = { ...link.value, state: "lost" };
    if (failures >= FAILURES_BEFORE_POLLING && !polling) void poll();
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
    retry = window.setTimeout(connect, wait * (0.5 + Math.random()));
  };
  socket.onclose = lose;
  loseNow = lose;
}
let loseNow = (): void => undefined;

/** Read what changed since the last answer; the first answer only names the version to begin with. */
async function poll(): Promise<void> {
  polling = window.setTimeout(poll, POLL_MS);
  const turn = polling;
  try {
    const response = await request(address("/api/v1/changes", { after: version, limit: MOST_ROWS }));
    if (turn !== polling) return;
    const isNew = version === null || response.status === 410;
    if (response.status === 410) version = null;
    if (!response.ok) throw new Error(String(response.status));
    const page: Page<LivePrice> = await response.json();
    version = page.meta.delta_version[TABLE] ?? null;
    if (isNew || page.next_cursor) refreshShown("");
    arrive(page.items);
    refreshShown(ALERTS);
    readFollowing(Object.keys(FOLLOWING));
    confirm("polled");
  } catch {
    if (turn === polling) link.value = { ...link.value, state: "lost" };
  }
}
function stopPolling(): void {
  clearTimeout(polling);
  polling = 0;
  version = null;
}

/** Connect, and go on doing so for as long as the page is open. */
export function startLive(): void {
  connect();
  addEventListener("offline", () => loseNow());
  addEventListener("online", () => connection === null && connect());
}

/** Rows with the prices that came after they were read; their change is not known until they are read again. */
export function withArrivals(rows: readonly LivePrice[], read: number | null, came: ReadonlyMap<string, Arrival>): LivePrice[] {
  return rows.map((row) => {
    const arrival = came.get(keyOf(row));
    if (!arrival || arrival.arrived < (read ?? 0)) return row;
    return { ...row, price_idr: arrival.price_idr, event_time: arrival.event_time, change_pct: arrival.price_idr === row.price_idr ? row.change_pct : null };
  });
}
