/** Candles of a symbol with the signals at their closes, and the volume of each bar below. */
import { address, useFeed } from "../../data/feed.ts";
import type { Bar, SignalItem } from "../../data/types.ts";
import { day, figure } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { Panel } from "../../ui/Panel.tsx";

const WIDTH = 960;
const HEIGHT = 300;
const VOLUME = 60;
const RIGHT = 76;
const EDGE = 18;
const BARS = 90;
const LISTED = 200;

interface CandlesProps {
  bars: Bar[];
  signals: Map<string, SignalItem>;
  label: string;
}

function Candles({ bars, signals, label }: CandlesProps) {
  const top = Math.max(...bars.map((bar) => bar.high));
  const bottom = Math.min(...bars.map((bar) => bar.low));
  const step = (WIDTH - RIGHT) / bars.length;
  const y = (price: number) => EDGE + ((top - price) / (top - bottom || 1)) * (HEIGHT - 3 * EDGE);
  const most = Math.max(...bars.map((bar) => bar.volume));
  const base = HEIGHT + VOLUME - EDGE;
  const tall = (bar: Bar) => (bar.volume / (most || 1)) * VOLUME;
  const x = (index: number) => (index + 0.5) * step;
  const triangle = (index: number, price: number, down: boolean) => {
    const height = down ? -9 : 9;
    const tip = y(price) + (down ? -5 : 5);
    return `M${x(index)} ${tip}l5 ${height}h-10z`;
  };
  return (
    <svg class="candles" viewBox={`0 0 ${WIDTH} ${HEIGHT + VOLUME}`} role="img" aria-label={label}>
      {bars.map((bar, index) => {
        const opening = bar.open ?? bar.close;
        const rises = bar.close >= opening;
        const signal = signals.get(bar.bar_time)?.signal;
        return (
          <g key={bar.bar_time} class={rises ? "rise" : "fall"}>
            <path d={`M${x(index)} ${y(bar.high)}V${y(bar.low)}`} />
            <rect x={x(index) - step * 0.32} width={step * 0.64} y={y(Math.max(opening, bar.close))} height={Math.max(1, Math.abs(y(opening) - y(bar.close)))} />
            <rect class="volume" x={x(index) - step * 0.32} width={step * 0.64} y={base - tall(bar)} height={tall(bar)} />
            {signal === "BUY" && <path class="buy" d={triangle(index, bar.low, false)} />}
            {signal === "SELL" && <path class="sell" d={triangle(index, bar.high, true)} />}
          </g>
        );
      })}
      {[top, bottom].map((price) => (
        <text key={price} x={WIDTH - RIGHT + 8} y={y(price) + 4}>
          {figure(price)}
        </text>
      ))}
      <text x={WIDTH - RIGHT + 8} y={base - VOLUME + 12}>
        {t("volume_most", { volume: figure(most) })}
      </text>
      <text x={0} y={HEIGHT + VOLUME - 4}>
        {day(bars[0].bar_time)}
      </text>
      <text x={WIDTH - RIGHT} y={HEIGHT + VOLUME - 4} text-anchor="end">
        {day(bars.at(-1)!.bar_time)}
      </text>
    </svg>
  );
}

export function CandlePanel({ symbol }: { symbol: string }) {
  const feed = useFeed(address("/api/v1/bars", { symbol, limit: BARS }));
  const signals = useFeed(address("/api/v1/ai/signals", { symbol, limit: LISTED })).body?.items ?? [];
  const byTime = new Map(signals.map((item) => [item.bar_time, item]));
  const counted = (name: string) => signals.filter((item) => item.signal === name).length;
  return (
    <Panel title={t("candles", { symbol })} feed={feed} class="full" isEmpty={(body) => !body.items.length} empty={t("empty_bars")} sql={`select bar_time, open, high, low, close, volume from silver.bars where symbol = '${symbol}' order by bar_time desc limit ${BARS}`}>
      {(body) => (
        <>
          <Candles bars={body.items.toReversed()} signals={byTime} label={t("candles_label", { symbol, buys: counted("BUY"), sells: counted("SELL") })} />
          <p class="note">{t("candles_note")}</p>
        </>
      )}
    </Panel>
  );
}
