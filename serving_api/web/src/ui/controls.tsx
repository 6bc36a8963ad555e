/** Controls that write to the address: choice of commodity, province and day. */
import type { ComponentChildren } from "preact";
import { address, useFeed } from "../data/feed.ts";
import type { Supported } from "../data/types.ts";
import { day } from "../i18n/format.ts";
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

interface SelectProps {
  label: string;
  /** Values with their texts; a value that is none of them is one too. */
  options: [value: string, text: string][];
  value: string;
  choose: (value: string) => void;
  class?: string;
}
/** A choice from a list; the label is for readers of a screen. */
export function Select({ label, options, value, choose, class: name = "choice" }: SelectProps) {
  const known = !value || options.some(([each]) => each === value);
  return (
    <label class={name}>
      <span class="hidden">{label}</span>
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {!known && <option value={value}>{value}</option>}
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface FieldProps {
  name: string;
  label: string;
  options: [value: string, text: string][];
  chosen?: string | null;
}
/** A choice in a form, under its name there. */
export function SelectField({ name, label, options, chosen }: FieldProps) {
  return (
    <label>
      {label}
      <select name={name} required={options.every(([value]) => value)}>
        {options.map(([value, text]) => (
          <option key={value} value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What ends the form of a dialog: sending it, or leaving it. */
export function DialogButtons({ text, waits, cancel }: { text: string; waits: boolean; cancel: () => void }) {
  return (
    <div class="buttons">
      <button class="solid" disabled={waits}>
        {text}
      </button>
      <button type="button" class="ghost" onClick={cancel}>
        {t("cancel")}
      </button>
    </div>
  );
}

/** Commodities and provinces as options. */
export const commodityOptions = (supported: Supported | null) => (supported?.commodities ?? []).map((entry): [string, string] => [entry.commodity, entry.name]);
export const provinceOptions = (supported: Supported | null) => (supported?.regions ?? []).map((region): [string, string] => [region.name, region.name]);

export function CommodityChoice() {
  const options = commodityOptions(useSupported().body);
  return <Select label={t("commodity")} options={options} value={commodity()} choose={(komoditas) => setParams({ komoditas })} />;
}

export function ProvinceChoice({ all }: { all: string }) {
  const regions = provinceOptions(useSupported().body);
  return <Select label={t("province")} options={[["", all], ...regions]} value={province() ?? ""} choose={(prov) => setParams({ prov: prov || null })} class="choice small" />;
}

/** A day as the reader writes it; the field of the browser, which writes it in its own way, lies over it unseen. */
export function DateField({ label, value, choose }: { label: string; value: string; choose: (day: string | null) => void }) {
  return (
    <span class="date">
      <span aria-hidden="true">{value ? day(value) : label}</span>
      <input type="date" aria-label={label} value={value} onClick={(event) => event.currentTarget.showPicker?.()} onChange={(event) => choose(event.currentTarget.value || null)} />
    </span>
  );
}

interface DayProps {
  shown: string | null;
  previous: string | null;
  next: string | null;
  /** Of the field and its two buttons, where they are not about single days. */
  names?: { field: string; previous: string; next: string };
}
export function DayChoice({ shown, previous, next, names = { field: t("day"), previous: t("day_previous"), next: t("day_next") } }: DayProps) {
  const step = (to: string | null, label: string, sign: string) => (
    <button class="ghost" disabled={!to} aria-label={label} onClick={() => setParams({ per: to })}>
      {sign}
    </button>
  );
  return (
    <div class="day noprint" role="group" aria-label={names.field}>
      {step(previous, names.previous, "‹")}
      <DateField label={names.field} value={marketDay() ?? shown ?? ""} choose={(per) => setParams({ per })} />
      {step(next, names.next, "›")}
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
