/** Controls that write to the address: choice of commodity, province and day. */
import type { ComponentChildren } from "preact";
import { address, useFeed } from "../data/feed.ts";
import { t } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";

export const DEFAULT_COMMODITY = "cabai-rawit-merah";
const REFERENCE_MS = 600_000;
export const commodity = (): string => param("komoditas") ?? DEFAULT_COMMODITY;
export const province = (): string | null => param("prov");
export const marketDay = (): string | null => param("per");
export const knownThen = (): boolean => param("saat-itu") === "1";
/** The parameter of the day: by what is known now, or as it was known at that day's close. */
export const dayParameters = (): Record<string, string | null> => ({ [knownThen() ? "date" : "market_date"]: marketDay() });

export const useSupported = () => useFeed(address("/api/v1/supported"), REFERENCE_MS);

/** The time zone of a province by its name; null while it is not known. */
export function useZones(): (region: string | null | undefined) => string | null {
  const zones = new Map(useSupported().body?.regions.map((region) => [region.name, region.timezone]));
  return (region) => zones.get(region ?? "") ?? null;
}

export function CommodityChoice() {
  const supported = useSupported().body;
  const chosen = commodity();
  const entries = supported?.commodities ?? [{ commodity: chosen, name: chosen }];
  const known = entries.some((entry) => entry.commodity === chosen);
  return (
    <label class="choice">
      <span class="hidden">{t("commodity")}</span>
      <select value={chosen} onChange={(event) => setParams({ komoditas: event.currentTarget.value })}>
        {!known && <option value={chosen}>{chosen}</option>}
        {entries.map((entry) => (
          <option key={entry.commodity} value={entry.commodity}>
            {entry.name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function ProvinceChoice({ all }: { all: string }) {
  const regions = useSupported().body?.regions ?? [];
  return (
    <label class="choice small">
      <span class="hidden">{t("province")}</span>
      <select value={province() ?? ""} onChange={(event) => setParams({ prov: event.currentTarget.value || null })}>
        <option value="">{all}</option>
        {regions.map((region) => (
          <option key={region.code} value={region.name}>
            {region.name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface DayProps {
  shown: string | null;
  previous: string | null;
  next: string | null;
}
export function DayChoice({ shown, previous, next }: DayProps) {
  const step = (day: string | null, label: string, sign: string) => (
    <button class="ghost" disabled={!day} aria-label={label} onClick={() => setParams({ per: day })}>
      {sign}
    </button>
  );
  return (
    <div class="day noprint" role="group" aria-label={t("day")}>
      {step(previous, t("day_previous"), "‹")}
      <input type="date" aria-label={t("day")} value={marketDay() ?? shown ?? ""} onChange={(event) => setParams({ per: event.currentTarget.value || null })} />
      {step(next, t("day_next"), "›")}
      {marketDay() && (
        <button class="ghost" onClick={() => setParams({ per: null, "saat-itu": null })}>
          {t("day_newest")}
        </button>
      )}
      {marketDay() && (
        <label class="check">
          <input type="checkbox" checked={knownThen()} onChange={(event) => setParams({ "saat-itu": event.currentTarget.checked ? "1" : null })} />
          {t("known_then")}
        </label>
      )}
    </div>
  );
}

export function Choices<Value extends string>(props: { label: string; options: [Value, string][]; value: Value; choose: (value: Value) => void; children?: ComponentChildren }) {
  return (
    <div class="segments noprint" role="group" aria-label={props.label}>
      {props.options.map(([value, text]) => (
        <button key={value} aria-pressed={props.value === value} onClick={() => props.choose(value)}>
          {text}
        </button>
      ))}
      {props.children}
    </div>
  );
}
