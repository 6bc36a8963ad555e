/** Texts in the reader's language: Indonesian unless `?lang=en` or an earlier choice says otherwise. */
import { signal } from "@preact/signals";
import { recall, remember } from "../data/memory.ts";
import english from "./en.json" with { type: "json" };
import indonesian from "./id.json" with { type: "json" };

export type Lang = "id" | "en";
export type Key = Extract<keyof typeof indonesian, string>;
const TEXTS: Record<Lang, Record<Key, string>> = { id: indonesian, en: english };
const isLang = (text: string | null): text is Lang => text === "id" || text === "en";

function firstLanguage(): Lang {
  const given = new URLSearchParams(location.search).get("lang");
  const earlier = recall("lang");
  return isLang(given) ? given : isLang(earlier) ? earlier : "id";
}
export const lang = signal<Lang>(firstLanguage());
export function setLanguage(next: Lang): void {
  lang.value = next;
  remember("lang", next);
}
export const hasText = (key: string): key is Key => key in indonesian;
/** The text of a key that the API's words make, else the word itself. */
export const textOr = (key: string, fallback: string): string => (hasText(key) ? t(key) : fallback);
/** The text of a key with {names} filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return TEXTS[lang.value][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}
