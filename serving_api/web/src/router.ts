/** The address is the state: path and parameters as signals, changed without loading the page again. */
import { computed, signal } from "@preact/signals";

export const path = signal(location.pathname);
export const query = signal(location.search);
export const params = computed(() => new URLSearchParams(query.value));
export const param = (name: string): string | null => params.value.get(name);
/** Names that a link to another page keeps. */
const KEPT = ["lang", "per", "saat-itu", "komoditas", "prov", "toko", "kategori", "simbol"];

/** Change parameters of the present page; null removes one. */
export function setParams(changes: Record<string, string | null>, keepsHistory = true): void {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) value === null ? next.delete(name) : next.set(name, value);
  const text = next.toString();
  query.value = text ? `?${text}` : "";
  const url = path.value + query.value;
  keepsHistory ? history.pushState(null, "", url) : history.replaceState(null, "", url);
}

/** The address of another page, with what it shares with this one. */
export function linkTo(page: string, changes: Record<string, string> = {}): string {
  const next = new URLSearchParams();
  for (const name of KEPT) if (params.value.has(name)) next.set(name, params.value.get(name)!);
  for (const [name, value] of Object.entries(changes)) next.set(name, value);
  const text = next.toString();
  return text ? `${page}?${text}` : page;
}

function show(): void {
  path.value = location.pathname;
  query.value = location.search;
}

/** Show another page of ours. */
export function goTo(url: string): void {
  history.pushState(null, "", url);
  show();
  scrollTo(0, 0);
}

/** Follow links between `pages` without loading; everything else is the browser's. */
export function startRouter(pages: readonly string[]): void {
  addEventListener("popstate", show);
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download") || !pages.includes(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    const leaves = link.pathname !== path.value;
    history.pushState(null, "", link.href);
    show();
    if (leaves) {
      scrollTo(0, 0);
      document.getElementById("main")?.focus();
    }
  });
}
