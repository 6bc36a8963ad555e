/** GET with ETag, polling while the page is visible, one request per address in flight. */
import { signal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { NO_NETWORK, problemOf } from "./problem.ts";
import { request } from "./session.ts";
import type { Address, AnswerOf, Path, Problem, ValuesOf } from "./types.ts";

export interface Feed<Body> {
  url: string;
  body: Body | null;
  problem: Problem | null;
  /** When `body` was last confirmed by the API, and when that request began; ms since 1970. */
  confirmed: number | null;
  requested: number | null;
  loading: boolean;
}
interface Entry {
  feed: Signal<Feed<unknown>>;
  tag: string | null;
  flight: Promise<void> | null;
  /** Until when the API asked not to be polled, ms since 1970. */
  rests: number;
  readers: number;
}
const EVERY_MS = 30_000;
const SPREAD = 0.2;
const MOST_KEPT = 60;
const entries = new Map<string, Entry>();
/** Addresses that the pages have read, newest first: the developers' page shows them as calls. */
export const calls = signal<string[]>([]);
/** SQL that gives what an address gives, of the panels that were shown. */
export const queries = new Map<string, string>();

function empty(url: string): Feed<unknown> {
  return { url, body: null, problem: null, confirmed: null, requested: null, loading: false };
}

function entryOf(url: string): Entry {
  let entry = entries.get(url);
  if (!entry) {
    entry = { feed: signal(empty(url)), tag: null, flight: null, rests: 0, readers: 0 };
    entries.set(url, entry);
    for (const [other, { readers }] of entries) if (entries.size > MOST_KEPT && !readers && other !== url) entries.delete(other);
  }
  return entry;
}

async function load(entry: Entry, url: string): Promise<void> {
  entry.feed.value = { ...entry.feed.value, loading: true };
  const requested = Date.now();
  try {
    // The browser may keep an answer for half a minute: it is asked to confirm it.
    const response = await request(url, { cache: "no-cache", headers: entry.tag ? { "If-None-Match": entry.tag } : {} });
    const now = Date.now();
    if (response.status === 304) {
      entry.feed.value = { ...entry.feed.value, problem: null, confirmed: now, requested, loading: false };
    } else if (response.ok) {
      const body = await response.json();
      entry.tag = response.headers.get("ETag"); // only with its body: "not changed" would confirm what is not here
      entry.feed.value = { url, body, problem: null, confirmed: now, requested, loading: false };
    } else {
      entry.rests = now + 1000 * Number(response.headers.get("Retry-After") ?? 0);
      entry.feed.value = { ...entry.feed.value, problem: await problemOf(response), loading: false };
    }
  } catch {
    entry.feed.value = { ...entry.feed.value, problem: NO_NETWORK, loading: false };
  }
}

/** Read an address now, unless a request for it is under way. */
export function refresh(url: string): Promise<void> {
  const entry = entryOf(url);
  entry.flight ??= load(entry, url).finally(() => (entry.flight = null));
  return entry.flight;
}

/** Read again what is shown and begins so; an answer that is under way may be too old. */
export function refreshShown(beginning: string): void {
  for (const [url, entry] of entries) {
    if (!entry.readers || !url.startsWith(beginning)) continue;
    void (entry.flight ?? Promise.resolve()).then(() => refresh(url));
  }
}

const NOTHING = signal(empty(""));

/** The state of an address; `url` null: nothing to read yet. */
export function useFeed<Body>(url: Address<Body> | null, everyMs = EVERY_MS): Feed<Body> {
  useEffect(() => {
    if (!url) return;
    const entry = entryOf(url);
    entry.readers++;
    calls.value = [url, ...calls.value.filter((other) => other !== url)].slice(0, 12);
    let timer = 0;
    let stopped = false;
    const round = async () => {
      if (!document.hidden && Date.now() >= entry.rests) await refresh(url);
      if (!stopped) timer = window.setTimeout(round, everyMs * (1 - SPREAD + 2 * SPREAD * Math.random()));
    };
    const shown = () => {
      if (!document.hidden) void refresh(url);
    };
    void round();
    document.addEventListener("visibilitychange", shown);
    return () => {
      stopped = true;
      entry.readers--;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [url, everyMs]);
  return (url ? entryOf(url).feed.value : NOTHING.value) as Feed<Body>;
}

/** An address of the API with its values; empty ones are left out. */
export function address<P extends Path>(path: P, values: ValuesOf<P> = {}): Address<AnswerOf<P>> {
  const query = new URLSearchParams();
  let place: string = path;
  for (const [name, value] of Object.entries<unknown>(values)) {
    if (place.includes(`{${name}}`)) place = place.replace(`{${name}}`, encodeURIComponent(String(value)));
    else if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${place}?${text}` : place;
}
