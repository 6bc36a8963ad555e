/** What became of the signals: how many were traded, which rule refused or held most of them, and each with its reason. */
import { address, useFeed } from "../../data/feed.ts";
import type { SignalOutcome } from "../../data/types.ts";
import { day, figure, moment, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { Bars } from "../../ui/Figures.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { Choices } from "../../ui/controls.tsx";
import { OUTCOMES, outcomeReason, SignalChip } from "./parts.tsx";

const COUNTED = 500;
const FATES = ["traded", "refused", "held"] as const;
const TONES = { traded: "fine", refused: "grave", held: "dim" };

const COLUMNS: Column<SignalOutcome>[] = [
  derivedColumn("bar_time", "bar_time", (row) => row.bar_time, ({ interval, bar_time }) => (interval === "1d" ? day(bar_time) : moment(bar_time))),
  column("symbol", "symbol"),
  column("signal", "signal", (signal) => <SignalChip signal={signal} />),
  column("confidence", "confidence", figure),
  column("fate", "fate", (fate) => <span class={TONES[fate]}>{t(`fate_${fate}`)}</span>),
  derivedColumn("reason", "fate_reason", outcomeReason, (row) => <span class="wrapped">{outcomeReason(row) ?? "–"}</span>),
];

/** Rules with the number of signals that they stopped first, the most frequent one first. */
function byRule(rows: SignalOutcome[]): [rule: string, signals: number][] {
  const counts = new Map<string, number>();
  for (const { rule } of rows) if (rule) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one);
}

const ruleName = (rule: string) => textOr(`rule_${rule}`, rule);

function Summary({ rows, of }: { rows: SignalOutcome[]; of: string }) {
  const counted = (fate: SignalOutcome["fate"]) => rows.filter((row) => row.fate === fate);
  const [most] = byRule(counted("refused"));
  const values = Object.fromEntries(FATES.map((fate) => [fate, whole(counted(fate).length)]));
  return (
    <>
      <p class="lead">
        {t("fates_sentence", { count: whole(rows.length), of, ...values })} {most && t("fates_most", { rule: ruleName(most[0]), count: whole(most[1]) })}
      </p>
      <Bars label={t("fates_by_rule")} bars={byRule(rows).map(([rule, signals]) => ({ name: ruleName(rule), value: signals, text: whole(signals) }))} />
    </>
  );
}

export function Fates({ symbol }: { symbol: string }) {
  const ofAll = param("lingkup") === "semua";
  const fate = param("nasib");
  const of = { symbol: ofAll ? null : symbol, limit: COUNTED };
  const counted = useFeed(address(OUTCOMES, of)).body?.items ?? [];
  const tools = (
    <>
      <Choices label={t("symbol")} options={[["", symbol], ["semua", t("all_symbols")]]} value={ofAll ? "semua" : ""} choose={(lingkup) => setParams({ lingkup: lingkup || null })} />
      <Choices label={t("fate")} options={[["", t("class_all")], ...FATES.map((name): [string, string] => [name, t(`fate_${name}`)])]} value={fate ?? ""} choose={(nasib) => setParams({ nasib: nasib || null })} />
    </>
  );
  return (
    <TablePanel title={t("fates")} list={address(OUTCOMES, { ...of, fate })} columns={COLUMNS} keyOf={(row) => row.signal_id} class="full" file="signal-outcomes" tools={tools} isEmpty={() => !counted.length} empty={t("empty_signals")} note={t("fates_note")} sql="select * from gold.signal_outcomes order by bar_time desc limit 500">
      {() => <Summary rows={counted} of={ofAll ? t("all_symbols") : symbol} />}
    </TablePanel>
  );
}
