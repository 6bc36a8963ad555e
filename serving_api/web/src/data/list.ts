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

/** The page of a list that a cursor leads to; null: it could not be read. */
async function nextPage<Item>(url: string, cursor: string): Promise<Page<Item> | null> {
  const response = await request(`${url}${url.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`).catch(() => null);
  return response?.ok ? response.json() : null;
}

/** The rows of the pages after the first that were asked for; `loadMore` null: there are no more. */
export function useNextPages<Item>(url: string, first: object | null): { more: Item[]; loadMore: (() => void) | null } {
  const [read, setRead] = useState<Shown<Item> | null>(null);
  const loads = useRef(false);
  const current = read?.url === url ? read : null;
  const { cursor } = current ?? { cursor: (first as Partial<Page<Item>> | null)?.next_cursor ?? null };
  const loadMore = async () => {
    if (cursor === null || loads.current) return;
    loads.current = true;
    const page = await nextPage<Item>(url, cursor);
    loads.current = false;
    if (page) setRead({ url, items: [...(current?.items ?? []), ...page.items], cursor: page.next_cursor });
  };
  return { more: current?.items ?? [], loadMore: cursor === null ? null : () => void loadMore() };
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
    const page = await nextPage<Item>(url, current.cursor);
    loads.current = false;
    if (!page) return;
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
