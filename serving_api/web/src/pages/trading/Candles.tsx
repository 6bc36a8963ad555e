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
const BASE = HEIGHT + VOLUME - EDGE;
/** Of so few pixels a candle can still be told from its neighbours. */
const LEAST_STEP = 6;
/** What a time on the axis needs. */
const TICK_PX = 96;
const LABEL_PX = 15;

interface CandlesProps {
  bars: Bar[];
  outcomes: ReadonlyMap<string | null, SignalOutcome>;
  label: string;
}

const readout = (bar: Bar, outcome: SignalOutcome | undefined, time: string): string =>
  `${t("candle_text", { time, open: figure(bar.open), high: figure(bar.high), low: figure(bar.low), close: figure(bar.close), volume: whole(bar.volume) })}${outcome ? ` ${t(`signal_${outcome.signal}`)}, ${outcomeText(outcome)}.` : ""}`;

/** Where bars and prices lie in a drawing of this width; the newest bars that have room. */
function sceneOf(bars: Bar[], width: number) {
  const drawn = bars.slice(-Math.max(1, Math.floor((width - RIGHT) / LEAST_STEP)));
  const step = (width - RIGHT) / drawn.length;
  const top = Math.max(...drawn.map((bar) => bar.high ?? bar.close));
  const bottom = Math.min(...drawn.map((bar) => bar.low ?? bar.close));
  const most = Math.max(...drawn.map((bar) => bar.volume)) || 1;
  const x = (index: number) => (index + 0.5) * step;
  const y = (price: number) => EDGE + ((top - price) / (top - bottom || 1)) * (HEIGHT - 3 * EDGE);
  const every = Math.max(1, Math.ceil((drawn.length * TICK_PX) / (width - RIGHT)));
  return {
    drawn,
    step,
    x,
    y,
    levels: [top, (top + bottom) / 2, bottom],
    ticks: drawn.map((_, index) => index).filter((index) => index % every === 0 && x(index) < width - RIGHT - TICK_PX / 2),
    tall: (bar: Bar) => (bar.volume / most) * VOLUME,
  };
}
type Scene = ReturnType<typeof sceneOf>;

function Candle({ bar, index, scene: { step, x, y, tall } }: { bar: Bar; index: number; scene: Scene }) {
  const opening = bar.open ?? bar.close;
  const [left, wide] = [x(index) - step * 0.32, step * 0.64];
  return (
    <g class={bar.close >= opening ? "rise" : "fall"}>
      <path d={`M${x(index)} ${y(bar.high ?? bar.close)}V${y(bar.low ?? bar.close)}`} />
      <rect x={left} width={wide} y={y(Math.max(opening, bar.close))} height={Math.max(1, Math.abs(y(opening) - y(bar.close)))} />
      <rect class="volume" x={left} width={wide} y={BASE - tall(bar)} height={tall(bar)} />
    </g>
  );
}

/** A triangle below a bar that was to be bought, above one to be sold; hollow where the order was refused. */
function Mark({ bar, index, outcome, scene: { x, y }, text }: { bar: Bar; index: number; outcome: SignalOutcome; scene: Scene; text: string }) {
  const sells = outcome.signal === "SELL";
  const tip = y((sells ? bar.high : bar.low) ?? bar.close) + (sells ? -4 : 4);
  return (
    <path class={`${sells ? "sell" : "buy"} ${outcome.fate}`} d={`M${x(index)} ${tip}l5 ${sells ? -9 : 9}h-10z`}>
      <title>{text}</title>
    </path>
  );
}

const isMarked = (outcome: SignalOutcome | undefined): outcome is SignalOutcome => outcome !== undefined && outcome.signal !== "HOLD";

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
  const scene = sceneOf(bars, width);
  const { drawn, step, x, y, ticks } = scene;
  const last = drawn.length - 1;
  const place = drawn.findIndex((bar) => bar.bar_time === at);
  const chosen = place < 0 ? last : place;
  const { close } = drawn[last];
  const levels = scene.levels.filter((price) => Math.abs(y(price) - y(close)) > LABEL_PX);
  const names = barTexts(ticks.map((index) => drawn[index].bar_time));
  const time = barTime(drawn.map((bar) => bar.bar_time));
  const outcomeAt = (index: number) => outcomes.get(drawn[index].bar_time);
  const text = (index: number) => readout(drawn[index], outcomeAt(index), time(drawn[index].bar_time));
  const choose = (index: number) => setAt(drawn[Math.max(0, Math.min(last, index))].bar_time);

  const move = (event: KeyboardEvent) => {
    const marked = drawn.map((_, index) => index).filter((index) => isMarked(outcomeAt(index)));
    const stride = event.shiftKey ? 10 : 1;
    const targets: Record<string, number | undefined> = { ArrowLeft: chosen - stride, ArrowRight: chosen + stride, Home: 0, End: last, ArrowUp: marked.findLast((index) => index < chosen), ArrowDown: marked.find((index) => index > chosen) };
    if (!(event.key in targets)) return;
    event.preventDefault();
    choose(targets[event.key] ?? chosen);
  };
  const point = (event: PointerEvent) => choose(Math.floor((event.clientX - box.current!.getBoundingClientRect().left) / step));
  return (
    <>
      <div ref={box} tabIndex={0} role="application" aria-roledescription={t("chart")} aria-label={`${label}. ${t("candle_keys")}`} onKeyDown={move} onPointerMove={point} onPointerLeave={() => setAt(null)} onFocus={() => setRead(true)} onBlur={() => setRead(false)}>
        <svg class="candles" viewBox={`0 0 ${width} ${HEIGHT + VOLUME}`} height={HEIGHT + VOLUME} aria-hidden="true">
          {levels.map((price) => (
            <path key={price} class="level-line" d={`M0 ${y(price)}H${width - RIGHT}`} />
          ))}
          <path class="newest" d={`M0 ${y(close)}H${width - RIGHT}`} />
          {at !== null && <path d={`M${x(chosen)} 0V${BASE}`} />}
          {drawn.map((bar, index) => (
            <Candle key={bar.bar_time} bar={bar} index={index} scene={scene} />
          ))}
          {drawn.map((bar, index) => {
            const outcome = outcomeAt(index);
            return isMarked(outcome) && <Mark key={bar.bar_time} bar={bar} index={index} outcome={outcome} scene={scene} text={text(index)} />;
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
              {names[nth]}
            </text>
          ))}
        </svg>
      </div>
      <p class="note readout" aria-live={isRead ? "polite" : "off"}>
        {text(chosen)}
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
            <p class="note">{t("candles_note", { held: whole(counted("HOLD")) })}</p>
          </>
        );
      }}
    </Panel>
  );
}
