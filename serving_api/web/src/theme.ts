/** Light or dark: the reader's choice, else the system's. */
import { effect, signal } from "@preact/signals";
import { recall, remember } from "./data/memory.ts";

export type Theme = "light" | "dark";
const system: Theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
const earlier = recall("theme");
export const theme = signal<Theme>(earlier === "dark" || earlier === "light" ? earlier : system);
effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
export function turnTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  remember("theme", theme.value);
}
