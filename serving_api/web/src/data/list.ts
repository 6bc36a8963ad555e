/**
 * A list that does not move under the reader: rows change in place, new ones wait until they are asked for. Of a
 * list that one page holds, rows that are gone are left out.
 */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useFeed, type Feed } from "./feed.ts";
import { request } from "./session.ts";
import type { Address, Page } from "./types.ts";

interface Shown<Item> {
  url: string;
  items: Item[];
  cursor: string | null;
}
export interface SteadyList<Item> {
  feed: Feed<Page<Item>>;
  /** Null: not loaded yet. */
  items: Item[] | null;
  /** How many new ones wait. */
  arrived: number;
  hasMore: boolean;
  showNew: () => void;
  loadMore: () => void;
}

/** The list behind an address, whose first page is read again every `everyMs`. */
export function useSteadyList<Item>(url: Address<Page<Item>>, keyOf: (item: Item) => string, everyMs?: number): SteadyList<Item> {
  const feed = useFeed(url, everyMs);
  const [shown, setShown] = useState<Shown<Item> | null>(null);
  const loads = useRef(false);
  const { body } = feed;
  const current = shown?.url === url ? shown : null;
  // Before the browser paints: no frame shows an answer with an empty list.
  useLayoutEffect(() => {
    if (!body) return;
    const newest = new Map(body.items.map((item) => [keyOf(item), item]));
    setShown((before) =>
      before?.url === url && before.items.length
        ? { ...before, items: before.items.filter((item) => body.next_cursor !== null || newest.has(keyOf(item))).map((item) => newest.get(keyOf(item)) ?? item) }
        : { url, items: body.items, cursor: body.next_cursor },
    );
  }, [body, url]);
  const known = new Set(current?.items.map(keyOf));
  const loadMore = async () => {
    if (!current?.cursor || loads.current) return;
    loads.current = true;
    const response = await request(`${url}${url.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(current.cursor)}`).catch(() => null);
    loads.current = false;
    if (!response?.ok) return;
    const page: Page<Item> = await response.json();
    setShown((before) => {
      if (before?.url !== url) return before;
      const there = new Set(before.items.map(keyOf));
      return { ...before, items: [...before.items, ...page.items.filter((item) => !there.has(keyOf(item)))], cursor: page.next_cursor };
    });
  };
  return {
    feed,
    items: current?.items ?? null,
    arrived: current ? (body?.items.filter((item) => !known.has(keyOf(item))).length ?? 0) : 0,
    hasMore: Boolean(current?.cursor),
    showNew: () => body && setShown({ url, items: body.items, cursor: body.next_cursor }),
    loadMore: () => void loadMore(),
  };
}
