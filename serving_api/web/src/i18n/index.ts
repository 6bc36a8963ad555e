/** Texts in the reader's language: Indonesian unless `?lang=en` or an earlier choice says otherwise. */
import { signal } from "@preact/signals";
import { recall, remember } from "../data/memory.ts";
import indonesian from "./id.json" with { type: "json" };

export type Lang = "id" | "en";
export type Key = Extract<keyof typeof indonesian, string>;
/** English ones are read when they are first shown; until then, and without a network, Indonesian ones are. */
const TEXTS: Record<Lang, Record<Key, string>> = { id: indonesian, en: indonesian };
const isLang = (text: string | null): text is Lang => text === "id" || text === "en";

function firstLanguage(): Lang {
  const given = new URLSearchParams(location.search).get("lang");
  const earlier = recall("lang");
  return isLang(given) ? given : isLang(earlier) ? earlier : "id";
}
export const lang = signal<Lang>(firstLanguage());
async function load(next: Lang): Promise<void> {
  if (next === "en") TEXTS.en = (await import("./en.json", { with: { type: "json" } })).default;
}
/** The texts of the first language are there. */
export const ready = load(lang.value);
export async function setLanguage(next: Lang): Promise<void> {
  remember("lang", next);
  await load(next);
  lang.value = next;
}
export const hasText = (key: string): key is Key => key in indonesian;
/** The text of a key that the API's words make, else the word itself. */
export const textOr = (key: string, fallback: string): string => (hasText(key) ? t(key) : fallback);
/** The text of a key with {names} filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return TEXTS[lang.value][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}
