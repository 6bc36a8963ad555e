/** Orders a backtest: one strategy with values to try, or several with their defaults, over which bars, against what. */
import { useState } from "preact/hooks";
import { refreshShown } from "../../data/feed.ts";
import { post, useForm } from "../../data/post.ts";
import { numbersOf } from "../../i18n/amount.ts";
import { figure } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { setParams } from "../../router.ts";
import { SelectField } from "../../ui/controls.tsx";
import { ProblemText } from "../../ui/Panel.tsx";
import offered from "./strategies.json" with { type: "json" };

export const LIST = "/api/v1/backtests";
type Name = keyof typeof offered.strategies;
interface Parameter {
  low: number;
  high: number;
  /** The values that the form proposes; none: it may be left out. */
  tried: number[];
}
const STRATEGIES: Record<Name, Record<string, Parameter>> = offered.strategies;
const NAMES = Object.keys(STRATEGIES) as Name[];
/** What may be given for a strategy: its own parameters, and when a position is sold whatever it decides. */
const parametersOf = (name: Name): Record<string, Parameter> => ({ ...STRATEGIES[name], ...offered.exits });
const INTERVALS = ["1m", "5m", "15m", "1d"] as const;
const BENCHMARKS = ["buy_and_hold", "cash", "random"] as const;

function StrategyChoice({ chosen, choose }: { chosen: Name[]; choose: (names: Name[]) => void }) {
  const turn = (name: Name) => choose(NAMES.filter((other) => (other === name) !== chosen.includes(other)));
  return (
    <fieldset>
      <legend>{t("strategy")}</legend>
      <div class="several">
        {NAMES.map((name) => (
          <label key={name} class="tick">
            <input type="checkbox" checked={chosen.includes(name)} onChange={() => turn(name)} />
            <span>{t(`strategy_${name}`)}</span>
          </label>
        ))}
      </div>
      <p class="buttons">
        <button type="button" class="ghost small" onClick={() => choose(NAMES)}>
          {t("strategies_all")}
        </button>
      </p>
    </fieldset>
  );
}

function Parameters({ name }: { name: Name }) {
  return (
    <div class="fields row">
      {Object.entries(parametersOf(name)).map(([parameter, { low, high, tried }]) => (
        <label key={`${name}-${parameter}`}>
          {textOr(`parameter_${parameter}`, parameter)}
          <input name={parameter} required={tried.length > 0} defaultValue={tried.map(figure).join("; ")} inputMode="decimal" aria-describedby={`${name}-${parameter}`} />
          <small id={`${name}-${parameter}`}>{t("parameter_range", { low: figure(low), high: figure(high) })}</small>
        </label>
      ))}
    </div>
  );
}

export function OrderTest({ symbol }: { symbol: string }) {
  const [chosen, choose] = useState<Name[]>(["ma_cross"]);
  const only = chosen.length === 1 ? chosen[0] : null;
  const { submit, problem, waits } = useForm(async (fields) => {
    const given = (name: string) => String(fields.get(name) ?? "") || null;
    const values = Object.keys(only ? parametersOf(only) : {}).map((name): [string, number[]] => [name, numbersOf(given(name) ?? "")]);
    const { body, problem } = await post(LIST, {
      symbol,
      strategy: chosen.length === NAMES.length ? "all" : chosen.join(","),
      parameters: Object.fromEntries(values.filter(([name, numbers]) => numbers.length > 0 || !(name in offered.exits))),
      from: given("from"),
      to: given("to"),
      interval: given("interval"),
      benchmark: given("benchmark"),
    });
    if (body) setParams({ uji: body.id });
    refreshShown(LIST);
    return problem;
  });
  return (
    <form class="fields noprint" onSubmit={submit}>
      <StrategyChoice chosen={chosen} choose={choose} />
      {only ? <Parameters name={only} /> : <p class="note">{t(chosen.length ? "strategies_several" : "strategies_none")}</p>}
      <div class="fields row">
        <label>
          {t("first_day")}
          <input type="date" name="from" />
        </label>
        <label>
          {t("end_day")}
          <input type="date" name="to" />
        </label>
        <SelectField name="interval" label={t("bar_length")} options={[["", t("bar_length_usual")], ...INTERVALS.map((length): [string, string] => [length, t(`bar_${length}`)])]} />
        <SelectField name="benchmark" label={t("benchmark")} options={BENCHMARKS.map((name) => [name, t(`benchmark_${name}`)])} />
      </div>
      <p class="buttons">
        <button class="solid" disabled={waits || !chosen.length}>
          {t("backtest_order", { symbol })}
        </button>
      </p>
      {problem && <ProblemText problem={problem} />}
    </form>
  );
}
