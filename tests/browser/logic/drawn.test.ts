/** The chart of a commodity: what is drawn is what is saved, and dots stand on the line of their province. */
import assert from "node:assert/strict";
import { dayTicks, kindsOf, lastDays, lonePoints, priceRange, readout, secondsOf, tickTexts, withoutKinds } from "../../../serving_api/web/src/chart/panel.ts";
import type { Anomaly, Forecast, ImpactWeek, IssuedForecast, Series } from "../../../serving_api/web/src/data/types.ts";
import { setLanguage } from "../../../serving_api/web/src/i18n/index.ts";
import { drawnColumns } from "../../../serving_api/web/src/pages/drawnColumns.ts";
import { dotsOf, seriesPanel, strokesOf } from "../../../serving_api/web/src/pages/seriesPanel.ts";

const SERIES = {
  dates: ["2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19"],
  national: [100, 101, 102, 103],
  reference_idr: [90, 90, 95, 95],
  regions: [{ code: "11", name: "Aceh" }, { code: "91", name: "Papua" }],
  seams: [{ code: "11", day: "2026-11-18", spliced_from: "pihps", provider: "own", factor: 0.95 }],
  price_idr: [
    [98, null, 99, 100],
    [110, 111, 112, null],
  ],
} as unknown as Series;
/** Two provinces on two days, one of which is chosen, with a forecast, its dots and a past forecast. */
const whole = () => ({
  ...seriesPanel(SERIES, "Aceh", [], FORECAST),
  dots: [{ seconds: secondsOf("2026-11-18"), value: 99, kind: "large" as const, text: "7 hari: +6,1" }],
  strokes: [{ name: "earlier", points: [{ seconds: secondsOf("2026-11-19"), value: 101 }] }],
});
const FORECAST = {
  origin_date: "2026-11-19",
  forecast: [
    { date: "2026-11-20", price_idr: 104 },
    { date: "2026-11-21", price_idr: 105 },
  ],
  levels: [
    { level: 0.8, lower: [103, 102], upper: [105, 108] },
    { level: 0.95, lower: [101, 100], upper: [107, 111] },
  ],
} as unknown as Forecast;

Deno.test("the file holds the days that are drawn, with forecast and intervals", () => {
  const panel = lastDays(seriesPanel(SERIES, "Aceh", [], FORECAST), 4);
  const columns = drawnColumns(panel);
  const row = (nth: number) => Object.fromEntries(columns.map((column) => [column.name, column.value(nth)]));
  assert.equal(panel.seconds.length, 4);
  const known = { market_date: "2026-11-18", reference_price_idr: 95, national_price_idr: 102, Aceh: 99, Papua: 112 };
  assert.deepEqual(row(0), { ...known, forecast_idr: null, forecast_low_80: null, forecast_high_80: null, forecast_low_95: null, forecast_high_95: null });
  const ahead = { market_date: "2026-11-21", reference_price_idr: null, national_price_idr: null, Aceh: null, Papua: null };
  assert.deepEqual(row(3), { ...ahead, forecast_idr: 105, forecast_low_80: 102, forecast_high_80: 108, forecast_low_95: 100, forecast_high_95: 111 });
});

Deno.test("a seam is drawn on the province that has it, within the days that are shown", async () => {
  await setLanguage("en");
  const panel = seriesPanel(SERIES, "Aceh", [], null);
  assert.deepEqual(panel.seams.map(({ seconds }) => panel.seconds.indexOf(seconds)), [2]);
  assert.match(panel.seams[0].text, /pihps before, own from here.*−5\.0/);
  assert.equal(lastDays(panel, 1).seams.length, 0);
  assert.equal(seriesPanel(SERIES, "Papua", [], null).seams.length, 0);
});

Deno.test("dots have the size of their score, stand on their province's line and name the largest shares", async () => {
  await setLanguage("id");
  const week = (market_date: string, impact_score: number, region = "Aceh") => ({ region, market_date, impact_score, price_change: 0.061, unexplained_pct: 40, factors_with_weights: { musim: 10, distribusi: 90 } }) as unknown as ImpactWeek;
  const odd = { event_time: "2026-11-18T03:00:00Z", price_idr: 180 } as unknown as Anomaly;
  const weeks = [week("2026-11-16", 10), week("2026-11-18", 33), week("2026-11-19", 66), week("2026-11-17", 90), week("2026-11-18", 90, "Papua")];
  const dots = dotsOf(SERIES, "Aceh", weeks, [odd]);
  assert.deepEqual(dots.map(({ kind, value }) => [kind, value]), [["small", 98], ["medium", 99], ["large", 100], ["anomaly", 180]]);
  assert.match(dots[0].text, /\+6,1\u00a0%.*Distribusi 90,0\u00a0%, .* 10,0\u00a0%/i);
});

Deno.test("past forecasts are a stroke for each issue, without the newest where it is the fan", () => {
  const issued = [["2026-11-17", "2026-11-19", 101], ["2026-11-17", "2026-11-18", 100], ["2026-11-18", "2026-11-19", 103]].map(([issued_on, target_date, price_idr]) => ({ issued_on, target_date, price_idr, model: "naive" }) as unknown as IssuedForecast);
  assert.deepEqual(strokesOf(issued, true).map(({ name, points }) => [name, points.map(({ value }) => value)]), [["2026-11-17 naive", [100, 101]]]);
  assert.equal(strokesOf(issued, false).length, 2);
  const panel = { ...seriesPanel(SERIES, null, [], null), strokes: strokesOf(issued, false) };
  assert.equal(lastDays(panel, 1).strokes.length, 2);
  const column = drawnColumns(panel).find(({ name }) => name === "issued 2026-11-17 naive")!;
  assert.deepEqual([0, 1, 2, 3].map(column.value), [null, null, 100, 101]);
});

Deno.test("kinds that are hidden are not drawn, and what the reader chose stays", () => {
  assert.deepEqual(kindsOf(whole()), ["provinces", "national", "ceiling", "forecast", "past", "dots"]);
  const bare = withoutKinds(whole(), new Set(kindsOf(whole())));
  assert.deepEqual(bare.lines.map(({ name }) => name), ["Aceh"]);
  assert.deepEqual([bare.bands.length, bare.strokes.length, bare.dots.length, bare.reference], [0, 0, 0, null]);
  assert.deepEqual(withoutKinds(whole(), new Set([""])), whole());
});

Deno.test("the axis of prices holds every line, and a wide interval does not squeeze them", () => {
  const panel = whole();
  const [first, last] = [panel.seconds[0], panel.seconds.at(-1)!];
  const [low, high] = priceRange(panel, first, last);
  assert.ok(low < 90 && low > 80 && high > 112 && high < 125);
  const wide = { ...panel, bands: panel.bands.map((band) => ({ ...band, upper: band.upper.map((value) => value && 10 * value) })) };
  assert.ok(priceRange(wide, first, last)[1] < 125);
  const [lowThen, highThen] = priceRange({ ...panel, reference: null }, panel.seconds[2], panel.seconds[2]);
  assert.ok(lowThen > 97 && highThen < 114);
  assert.deepEqual(priceRange({ ...panel, lines: [], reference: null, dots: [] }, first, last), [0, 1]);
  assert.ok(priceRange({ ...panel, lines: panel.lines.slice(-2, -1), reference: null, dots: [], bands: [] }, first, first)[1] > 100);
});

Deno.test("the axis of days never repeats a name", async () => {
  await setLanguage("id");
  for (const [from, to] of [["2026-11-01", "2026-11-02"], ["2026-09-01", "2026-11-27"], ["2025-11-28", "2026-11-27"], ["2021-06-10", "2026-11-27"], ["2026-02-01", "2026-06-15"]])
    for (const most of [3, 8, 14]) {
      const texts = tickTexts(dayTicks(secondsOf(from), secondsOf(to), most));
      assert.ok(texts.length && texts.length <= most + 2, `${from}: ${texts}`);
      assert.equal(new Set(texts).size, texts.length, `${from}: ${texts}`);
    }
  assert.deepEqual(tickTexts(dayTicks(secondsOf("2025-11-28"), secondsOf("2026-03-31"), 14)), ["Des 25", "Jan 26", "Feb 26", "Mar 26"]);
});

Deno.test("a day is read from the dearest line down, with the highest and the lowest province", async () => {
  await setLanguage("en");
  const texts = readout({ ...whole(), seams: [] }, 2).map((text) => text.replaceAll("\u00a0", " "));
  assert.deepEqual(texts, ["18 Nov 2026", "Papua Rp 112 (highest)", "National average Rp 102", "Aceh Rp 99 (lowest)", "Ceiling Rp 95", "7 hari: +6,1"]);
});

Deno.test("a price between two days without one is a point", () => {
  assert.deepEqual(lonePoints([1, null, 3, 4, null, null, 5]), [0, 6]);
  assert.deepEqual(lonePoints([null, 2, null]), [1]);
});
