/** Prices of markets as they arrive: a step for each change, drawn when figures settle, at most four times a second. */
import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { arrivals, keyOf, type Arrival } from "../data/live.ts";
import type { LivePrice } from "../data/types.ts";
import { rupiah, rupiahAxis, timeOfSeconds, whole } from "../i18n/format.ts";
import { lang, t } from "../i18n/index.ts";
import { theme } from "../theme.ts";
import { Frames, MOST_SERIES } from "./frames.ts";
import { color, FONT } from "./style.ts";

const HEIGHT = 220;
const NEAR_PX = 24;

interface Drawn {
  frames: number;
  series: string[];
  newest: Arrival | null;
}
const NOTHING: Drawn = { frames: 0, series: [], newest: null };

const dataOf = (frames: Frames): uPlot.AlignedData => frames.columns() as unknown as uPlot.AlignedData;

function optionsOf(host: HTMLElement, frames: Frames, series: string[], own: Set<string>, show: (chart: uPlot, near: number | null) => void): uPlot.Options {
  const [soft, grid] = [color("--ink-2"), color("--grid")];
  const axis = { stroke: soft, font: `500 12px ${FONT}`, ticks: { stroke: grid, size: 5 } };
  const strokeOf = (name: string) => color(own.has(name) ? "--accent" : "--ink-2");
  return {
    width: host.clientWidth,
    height: HEIGHT,
    pxAlign: 0,
    legend: { show: false },
    padding: [10, 12, 0, 0],
    series: [{}, ...series.map((name) => ({ label: name, stroke: strokeOf(name), width: own.has(name) ? 2.5 : 1, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } }))],
    scales: { x: { time: true }, y: { range: () => frames.range() } },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, focus: { prox: NEAR_PX } },
    focus: { alpha: 0.35 },
    axes: [
      { ...axis, grid: { show: false }, space: 90, values: (_, values) => values.map(timeOfSeconds) },
      { ...axis, size: 74, grid: { stroke: grid, width: 1 }, ticks: { show: false }, values: (_, values) => rupiahAxis(values) },
    ],
    hooks: { setCursor: [(chart) => show(chart, null)], setSeries: [show] },
  };
}

/** Whether a key is typed into a field, or is a shortcut of the browser. */
const isTyped = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof Element && event.target.matches("input, select, textarea"));

/** `rows`: what is known of the markets; those of the chosen province stand out. */
export function LiveChart({ rows, chosen }: { rows: LivePrice[]; chosen: string | null }) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLParagraphElement>(null);
  const frames = useRef<Frames | null>(null);
  const newestOf = useRef<Arrival | null>(null);
  const chart = useRef<uPlot | null>(null);
  const draw = useRef(() => {});
  const known = useRef(new Map<string, LivePrice>());
  const [drawn, setDrawn] = useState(NOTHING);
  const [paused, setPaused] = useState(false);
  const [shownTheme, shownLanguage] = [theme.value, lang.value];
  known.current = new Map(rows.map((row) => [keyOf(row), row]));
  const named = (key: string) => known.current.get(key)?.market_name ?? key.split("|")[0];
  const ids = [...new Set(rows.map((row) => row.commodity))].sort().join();

  useEffect(() => {
    const own = (frames.current = new Frames(Date.now() / 1000));
    const commodities = new Set(ids.split(","));
    let seen = Date.now();
    let waiting = 0; // a page that is hidden draws nothing, and once when it is shown again
    setDrawn(NOTHING);
    const stop = effect(() => {
      const came = [...arrivals.value.values()].filter((row) => row.arrived > seen && commodities.has(row.commodity));
      if (!came.length) return;
      const newest = came.reduce((one, other) => (other.arrived > one.arrived ? other : one));
      seen = newest.arrived;
      own.push(seen / 1000, new Map(came.map((row) => [keyOf(row), row.price_idr])), (key) => known.current.get(key)?.price_idr ?? NaN);
      newestOf.current = newest;
      waiting ||= requestAnimationFrame(() => {
        waiting = 0;
        draw.current();
      });
    });
    return () => {
      cancelAnimationFrame(waiting);
      stop();
    };
  }, [ids]);

  const series = drawn.series.join("\n");
  const standsOut = drawn.series.filter((key) => known.current.get(key)?.region === chosen).join("\n");
  useEffect(() => {
    const [own, host] = [frames.current!, box.current!];
    const names = series ? series.split("\n") : [];
    if (!names.length) return;
    let line = 0; // that the pointer is near to
    const show = (plot: uPlot, near: number | null) => {
      line = near ?? line;
      const nth = plot.cursor.idx;
      tip.current!.textContent = nth == null || line < 1 ? "" : `${timeOfSeconds(plot.data[0][nth])} · ${named(names[line - 1])} ${rupiah(plot.data[line][nth])}`;
    };
    const plot = new uPlot(optionsOf(host, own, names, new Set(standsOut.split("\n")), show), dataOf(own), host);
    chart.current = plot;
    const size = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT }));
    size.observe(host);
    return () => {
      chart.current = null;
      size.disconnect();
      plot.destroy();
    };
  }, [series, standsOut, shownTheme, shownLanguage]);

  draw.current = () => {
    const own = frames.current;
    if (paused || !own?.count) return;
    const names = [...own.rows.keys()];
    if (names.length === drawn.series.length) chart.current?.setData(dataOf(own));
    setDrawn({ frames: own.count, series: names, newest: newestOf.current });
  };
  useEffect(() => {
    // What stands still is a copy: frames go on in the arrays.
    if (paused) chart.current?.setData(dataOf(frames.current!).map((row) => row.slice()) as uPlot.AlignedData);
    else draw.current();
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "p" && !isTyped(event)) setPaused(!paused);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [paused]);

  const { newest } = drawn;
  const sentence = newest ? t("live_chart_sentence", { frames: whole(drawn.frames), markets: whole(drawn.series.length), market: named(keyOf(newest)), price: rupiah(newest.price_idr) }) : t("live_chart_waits");
  return (
    <figure class="live-chart" data-frames={drawn.frames}>
      <div ref={box} role="img" aria-label={sentence} />
      <figcaption>
        <span>
          {sentence} {drawn.series.length === MOST_SERIES && t("live_chart_most", { count: whole(MOST_SERIES) })}
        </span>
        <button class="ghost small noprint" aria-pressed={paused} aria-keyshortcuts="P" onClick={() => setPaused(!paused)}>
          {t(paused ? "live_go_on" : "live_pause")} <kbd>P</kbd>
        </button>
      </figcaption>
      <p ref={tip} class="note" aria-hidden="true" />
    </figure>
  );
}
