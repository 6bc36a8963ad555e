/** Live prices of a commodity: read once, then only what changed since the version that was read. */
import { useEffect, useState } from "preact/hooks";
import { address } from "./feed.ts";
import type { LivePrice, Page } from "./types.ts";

const TABLE = "gold.live_prices";
const EVERY_MS = 2_000;
const AFTER_FAILURE_MS = 10_000;
const MOST_ROWS = 1000;

export interface Live {
  rows: LivePrice[] | null;
  /** Markets whose price changed in the newest answer. */
  changed: ReadonlySet<string>;
  connected: boolean;
  confirmed: number | null;
}
const START: Live = { rows: null, changed: new Set(), connected: true, confirmed: null };

async function read(url: string): Promise<Page<LivePrice> | null> {
  const response = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(AFTER_FAILURE_MS) });
  if (response.status === 410) return null;
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Rows with the changed ones in their place; new markets come last: nothing moves under the reader. */
export function merged(rows: LivePrice[], changes: LivePrice[]): LivePrice[] {
  const newer = new Map(changes.map((row) => [`${row.market_id}|${row.commodity}`, row]));
  const kept = rows.map((row) => {
    const key = `${row.market_id}|${row.commodity}`;
    const change = newer.get(key);
    newer.delete(key);
    return change ?? row;
  });
  return [...kept, ...newer.values()];
}

export function useLive(commodity: string): Live {
  const [live, setLive] = useState<Live>(START);
  useEffect(() => {
    let stopped = false;
    let timer = 0;
    let version: number | null = null;
    setLive(START);
    const round = async () => {
      let wait = EVERY_MS;
      try {
        if (!document.hidden) await step();
      } catch {
        if (!stopped) setLive((state) => ({ ...state, connected: false }));
        wait = AFTER_FAILURE_MS;
      }
      if (!stopped) timer = window.setTimeout(round, wait);
    };
    const step = async () => {
      const first = version === null;
      const url = first
        ? address("/api/public/commodity/price/live", { commodity, sort: "name", limit: MOST_ROWS })
        : address("/api/v1/changes", { commodity, after: version, limit: MOST_ROWS });
      const page = await read(url);
      if (stopped) return;
      if (page === null) {
        version = null;
        return;
      }
      version = page.meta.delta_version[TABLE] ?? null;
      const changed = new Set(first ? [] : page.items.map((row) => row.market_id));
      const confirmed = Date.now();
      setLive((state) => ({ rows: first ? page.items : merged(state.rows ?? [], page.items), changed, connected: true, confirmed }));
    };
    void round();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [commodity]);
  return live;
}
