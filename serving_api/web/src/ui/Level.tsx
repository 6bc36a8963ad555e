/** The level of a commodity or an alert, by sign, text and colour: never by colour alone. */
import type { OverviewItem } from "../data/types.ts";
import { whole } from "../i18n/format.ts";
import { hasText, t } from "../i18n/index.ts";
import { linkTo } from "../router.ts";

const SIGNS: Record<string, string> = { naik: "▲", waspada: "◆", siaga: "⬟", kritis: "⬢", info: "●" };
export const LEVELS = ["kritis", "siaga", "waspada", "naik", "normal"];

/** The sign alone, next to a text that names the level. */
export const LevelSign = ({ level }: { level: string | null }) => <i aria-hidden="true" class={`level-sign ${level ?? ""}`}>{SIGNS[level ?? ""] ?? ""}</i>;

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

/** The level of a commodity, which leads to what it follows from. */
export function Verdict({ item }: { item: OverviewItem }) {
  const { commodity: komoditas, level_reason: reason } = item;
  if (!reason) return <Level level={item.level} />;
  const texts = {
    alerts: t("level_alerts", { count: whole(item.open_alerts) }),
    ceiling: t("level_ceiling", { kind: item.reference_kind ?? "" }),
    rise: t("level_rise"),
  };
  const target = reason === "alerts" ? linkTo("/peringatan", { tentang: komoditas }) : linkTo("/komoditas", { komoditas });
  return (
    <>
      <Level level={item.level} /> <a href={target}>{texts[reason]}</a>
    </>
  );
}
