/** What every chart with a forecast says of it: model, coverage, and forecasts of the past. */
import { address, useFeed } from "../data/feed.ts";
import { modelOf, type Forecast } from "../data/types.ts";
import { day, share, whole, written } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { commodity, province } from "../ui/controls.tsx";

const MOST_ROWS = 1000;
/** The model that repeats the last price. */
export const NAIVE = "naive";
export const issuedAddress = () => address("/api/v1/forecasts/issued", { commodity: commodity(), region: province(), limit: MOST_ROWS });
/** The forecasts that were issued for the chosen commodity and province. */
export const useIssued = (isShown: boolean) => useFeed(isShown ? issuedAddress() : null).body;

/** A model in plain words, where there are any. */
export const modelName = (name: string): string => textOr(`model_${name}`, name);

/** How a model is used: where none has passed the gate, the naive one serves. */
export const aliasText = (model: string, alias: string): string => textOr(`alias_${model === NAIVE ? "baseline" : alias}`, alias);

export function ForecastNote({ forecast, strokes }: { forecast: Forecast; strokes: number }) {
  const model = modelOf(forecast);
  const tested = useFeed(address("/api/forecast/confidence", { commodity: commodity(), region: province() })).body;
  return (
    <p class="note">
      {t("forecast_note", { model: model ? modelName(model.name) : "–", alias: model ? aliasText(model.name, model.alias) : "–", day: day(forecast.origin_date) })} {model?.reason && `${written(model.reason)}. `}
      {tested?.coverage != null && t("forecast_coverage", { level: share(tested.interval_level), coverage: share(tested.coverage), origins: whole(tested.origins) })}{" "}
      {!province() && t("forecast_nation")} {strokes > 0 && t("strokes_note", { count: whole(strokes) })}
    </p>
  );
}
