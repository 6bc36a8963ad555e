/** The level of a rise, by sign, text and colour: never by colour alone. */
import { hasText, t } from "../i18n/index.ts";

const SIGNS: Record<string, string> = { naik: "▲", waspada: "◆", siaga: "⬟", kritis: "⬢", info: "●" };
export const LEVELS = ["kritis", "siaga", "waspada", "naik", "normal"];

export function Level({ level }: { level: string | null }) {
  const key = `level_${level}`;
  if (!level || !SIGNS[level] || !hasText(key)) return <span class="dim">{level === "normal" ? t("level_normal") : "–"}</span>;
  return (
    <span class={`level ${level}`}>
      <i aria-hidden="true">{SIGNS[level]}</i>
      {t(key)}
    </span>
  );
}
