/** Candles of a symbol with what became of its signals, and the volume of each bar below. */
import { useEffect, useRef, useState } from "preact/hooks";
import { address, useFeed } from "../../data/feed.ts";
import type { Bar, SignalOutcome } from "../../data/types.ts";
import { barTexts, barTime, figure, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { ChartOrTable } from "../../ui/ChartOrTable.tsx";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { eachOnce, keyOf, lengthOf } from "./bars.ts";
import { BARS, barsOf, OUTCOMES, outcomeText } from "./parts.tsx";

const HEIGHT = 280;
const VOLUME = 56;
const RIGHT = 78;
const EDGE = 18;
/** Of so few pixels a candle can still be told from its neighbours. */
const LEAST_STEP = 6;
/** What a time on the axis needs. */
const TICK_PX = 96;
const LABEL_PX = 15;
const SIGN: Record<string, string> = { "BUY traded": "▲", "SELL traded": "▼", "BUY refused": "△", "SELL refused": "▽" };

interface CandlesProps {
  bars: Bar[];
  outcomes: ReadonlyMap<string | null, SignalOutcome>;
  label: string;
}

const readout = (bar: Bar, outcome: SignalOutcome | undefined, time: string): string =>
  `${t("candle_text", { time, open: figure(bar.open), high: figure(bar.high), low: figure(bar.low), close: figure(bar.close), volume: whole(bar.volume) })}${outcome ? ` ${t(`signal_${outcome.signal}`)}, ${outcomeText(outcome)}.` : ""}`;

function Drawing({ bars, outcomes, label }: CandlesProps) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(960);
  const [at, setAt] = useState<string | null>(null);
  const [isRead, setRead] = useState(false);
  useEffect(() => {
    const host = box.current!;
    const size = new ResizeObserver(() => host.clientWidth > 0 && setWidth(host.clientWidth));
    size.observe(host);
    return () => size.disconnect();
  }, []);
  const shown = bars.slice(-Math.max(1, Math.floor((width - RIGHT) / LEAST_STEP)));
  const last = shown.length - 1;
  const found = shown.findIndex((bar) => bar.bar_time === at);
  const chosen = found < 0 ? last : found;
  const step = (width - RIGHT) / shown.length;
  const top = Math.max(...shown.map((bar) => bar.high ?? bar.close));
  const bottom = Math.min(...shown.map((bar) => bar.low ?? bar.close));
  const most = Math.max(...shown.map((bar) => bar.volume));
  const base = HEIGHT + VOLUME - EDGE;
  const x = (index: number) => (index + 0.5) * step;
  const y = (price: number) => EDGE + ((top - price) / (top - bottom || 1)) * (HEIGHT - 3 * EDGE);
  const tall = (bar: Bar) => (bar.volume / (most || 1)) * VOLUME;
  const triangle = (index: number, price: number, down: boolean) => `M${x(index)} ${y(price) + (down ? -4 : 4)}l5 ${down ? -9 : 9}h-10z`;
  const every = Math.max(1, Math.ceil((shown.length * TICK_PX) / (width - RIGHT)));
  const ticks = shown.map((_, index) => index).filter((index) => index % every === 0 && x(index) < width - RIGHT - TICK_PX / 2);
  const texts = barTexts(ticks.map((index) => shown[index].bar_time));
  const close = shown[last].close;
  const levels = [top, (top + bottom) / 2, bottom].filter((price) => Math.abs(y(price) - y(close)) > LABEL_PX);
  const time = barTime(shown.map((bar) => bar.bar_time));
  const outcomeAt = (index: number) => outcomes.get(shown[index].bar_time);

  const move = (event: KeyboardEvent) => {
    const marked = shown.map((_, index) => index).filter((index) => ["BUY", "SELL"].includes(outcomeAt(index)?.signal ?? ""));
    const stride = event.shiftKey ? 10 : 1;
    const targets: Record<string, number | undefined> = { ArrowLeft: chosen - stride, ArrowRight: chosen + stride, Home: 0, End: last, ArrowUp: marked.findLast((index) => index < chosen), ArrowDown: marked.find((index) => index > chosen) };
    const target = targets[event.key];
    if (event.key in targets) event.preventDefault();
    if (target !== undefined) setAt(shown[Math.max(0, Math.min(last, target))].bar_time);
  };
  const point = (event: PointerEvent) => {
    const index = Math.floor((event.clientX - box.current!.getBoundingClientRect().left) / step);
    setAt(shown[Math.max(0, Math.min(last, index))].bar_time);
  };
  return (
    <>
      <div ref={box} class="candle-box" tabIndex={0} role="application" aria-roledescription={t("chart")} aria-label={`${label}. ${t("candle_keys")}`} onKeyDown={move} onPointerMove={point} onPointerLeave={() => setAt(null)} onFocus={() => setRead(true)} onBlur={() => setRead(false)}>
        <svg class="candles" viewBox={`0 0 ${width} ${HEIGHT + VOLUME}`} height={HEIGHT + VOLUME} aria-hidden="true">
          {levels.map((price) => (
            <path key={price} class="level-line" d={`M0 ${y(price)}H${width - RIGHT}`} />
          ))}
          <path class="newest" d={`M0 ${y(close)}H${width - RIGHT}`} />
          {at !== null && <path class="at" d={`M${x(chosen)} 0V${base}`} />}
          {shown.map((bar, index) => {
            const opening = bar.open ?? bar.close;
            return (
              <g key={bar.bar_time} class={bar.close >= opening ? "rise" : "fall"}>
                <path d={`M${x(index)} ${y(bar.high ?? bar.close)}V${y(bar.low ?? bar.close)}`} />
                <rect x={x(index) - step * 0.32} width={step * 0.64} y={y(Math.max(opening, bar.close))} height={Math.max(1, Math.abs(y(opening) - y(bar.close)))} />
                <rect class="volume" x={x(index) - step * 0.32} width={step * 0.64} y={base - tall(bar)} height={tall(bar)} />
              </g>
            );
          })}
          {shown.map((bar, index) => {
            const outcome = outcomeAt(index);
            if (!outcome || outcome.signal === "HOLD") return null;
            const sells = outcome.signal === "SELL";
            return (
              <path key={bar.bar_time} class={`${sells ? "sell" : "buy"} ${outcome.fate}`} d={triangle(index, (sells ? bar.high : bar.low) ?? bar.close, sells)}>
                <title>{readout(bar, outcome, time(bar.bar_time))}</title>
              </path>
            );
          })}
          {levels.map((price) => (
            <text key={price} x={width - RIGHT + 8} y={y(price) + 4}>
              {figure(price)}
            </text>
          ))}
          <text class="newest" x={width - RIGHT + 8} y={y(close) + 4}>
            {figure(close)}
          </text>
          {ticks.map((index, nth) => (
            <text key={index} x={x(index)} y={HEIGHT + VOLUME - 4} text-anchor={nth ? "middle" : "start"}>
              {texts[nth]}
            </text>
          ))}
        </svg>
      </div>
      <p class="note readout" aria-live={isRead ? "polite" : "off"}>
        {readout(shown[chosen], outcomeAt(chosen), time(shown[chosen].bar_time))}
      </p>
    </>
  );
}

/** The bars as a table, newest first, each with its signal and what became of it. */
function columnsOf(outcomes: CandlesProps["outcomes"], time: (iso: string) => string): Column<Bar>[] {
  const of = (bar: Bar) => outcomes.get(bar.bar_time);
  const signal = (bar: Bar) => (of(bar) ? t(`signal_${of(bar)!.signal}`) : null);
  return [
    column("bar_time", "bar_time", time),
    column("open", "open_price", figure),
    column("high", "high_price", figure),
    column("low", "low_price", figure),
    column("close", "close_price", figure),
    column("volume", "volume", whole),
    derivedColumn("signal", "signal", signal),
    derivedColumn("fate", "fate", (bar) => (of(bar) ? outcomeText(of(bar)!) : null)),
  ];
}

export function CandlePanel({ symbol }: { symbol: string }) {
  const feed = useFeed(barsOf(symbol));
  const outcomes = useFeed(address(OUTCOMES, { symbol, limit: BARS })).body?.items ?? [];
  return (
    <Panel title={t("candles", { symbol })} feed={feed} class="full" isEmpty={(body) => !body.items.length} empty={t("empty_bars")} sql={`select bar_time, open, high, low, close, volume from silver.bars where symbol = '${symbol}' order by bar_time desc limit ${BARS}`}>
      {({ items }) => {
        const bars = eachOnce(items);
        const length = lengthOf(bars);
        const byBar = new Map(outcomes.map((outcome) => [keyOf(outcome, length), outcome]));
        const counted = (signal: string) => bars.filter((bar) => byBar.get(bar.bar_time)?.signal === signal).length;
        const label = t("candles_label", { symbol, buys: counted("BUY"), sells: counted("SELL") });
        return (
          <>
            <ChartOrTable label={label} columns={columnsOf(byBar, barTime(bars.map((bar) => bar.bar_time)))} rows={bars.toReversed()} keyOf={(bar) => bar.bar_time}>
              <Drawing bars={bars} outcomes={byBar} label={label} />
            </ChartOrTable>
            <p class="note">{t("candles_note", { held: counted("HOLD"), bought: SIGN["BUY traded"], sold: SIGN["SELL traded"], buy: SIGN["BUY refused"], sell: SIGN["SELL refused"] })}</p>
          </>
        );
      }}
    </Panel>
  );
}
