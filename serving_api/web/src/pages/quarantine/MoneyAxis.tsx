/** One axis of money: the habit of the series, its neighbours, other sources, the last and the doubtful price. */
import { rupiah } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { axisOf } from "./axis.ts";
import type { Evidence } from "../../data/types.ts";

const amount = (value: unknown): number | null => (typeof value === "number" && value > 0 ? value : null);
const at = (share: number) => `${(100 * share).toFixed(2)}%`;

function Track({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <>
      <span class="axis-name">{name}</span>
      <span class="axis-track">{children}</span>
    </>
  );
}

export function MoneyAxis({ evidence }: { evidence: Evidence }) {
  const price = amount(evidence.price_idr);
  if (price === null) return null;
  const statistics = evidence.statistics ?? {};
  const [low, high, median, last] = [statistics.q1_idr, statistics.q3_idr, statistics.median_idr, statistics.last_price_idr].map(amount);
  const neighbours = evidence.neighbours ?? [];
  const sources = evidence.sources ?? [];
  const axis = axisOf([price, low, high, median, last, ...neighbours.map((near) => near.price_idr), ...sources.map((source) => source.price_idr)]);
  const mark = (kind: string, value: number, label: string) => <i key={label} class={`mark ${kind}`} style={{ left: at(axis.share(value)) }} title={`${label} ${rupiah(value)}`} />;
  const [from, to] = last === null ? [0, 0] : [axis.share(Math.min(last, price)), axis.share(Math.max(last, price))];
  const spoken = [t("axis_doubt"), rupiah(price), ...(last === null ? [] : [t("axis_last"), rupiah(last)]), ...(median === null ? [] : [t("statistic_median_idr"), rupiah(median)])];
  return (
    <div class="axis" role="img" aria-label={spoken.join(" ")}>
      {low !== null && high !== null && (
        <Track name={t("axis_habit")}>
          <i class="habit" style={{ left: at(axis.share(low)), width: at(axis.share(high) - axis.share(low)) }} title={`${rupiah(low)} – ${rupiah(high)}`} />
          {median !== null && mark("median", median, t("statistic_median_idr"))}
        </Track>
      )}
      {neighbours.length > 0 && <Track name={t("axis_neighbours")}>{neighbours.map((near) => mark("near", near.price_idr, near.market_name ?? near.market_id))}</Track>}
      {sources.length > 0 && <Track name={t("axis_sources")}>{sources.map((source) => mark("source", source.price_idr, source.name))}</Track>}
      <Track name={t("axis_doubt")}>
        {last !== null && <i class="jump" style={{ left: at(from), width: at(to - from) }} />}
        {last !== null && mark("last", last, t("axis_last"))}
        {mark("doubt", price, t("axis_doubt"))}
      </Track>
      <span class="axis-name">{axis.isLog ? t("axis_log") : ""}</span>
      <span class="axis-ticks">
        {axis.ticks.map((tick) => (
          <span key={tick} style={{ left: at(axis.share(tick)) }}>
            {rupiah(tick)}
          </span>
        ))}
      </span>
    </div>
  );
}
