/** What the API answers, as far as the pages read it (the full schemas: /openapi.json). */
export interface Meta {
  as_of: string | null;
  delta_version: Record<string, number>;
  rule_set: string | null;
  model: { name: string; version: string; alias: string; reason: string | null } | null;
  lag_seconds: number | null;
  demo_data: boolean;
  request_id: string;
}
export interface Answer {
  meta: Meta;
}
export interface Page<Item> extends Answer {
  items: Item[];
  next_cursor: string | null;
}
export interface Problem {
  title: string;
  detail: string;
  status: number;
  trace_id: string | null;
}
export interface PlacePrice {
  region: string;
  price_idr: number;
}
export interface OverviewItem {
  commodity: string;
  name: string;
  unit: string;
  market_date: string;
  age_days: number;
  national_price_idr: number;
  change_1d_pct: number | null;
  change_7d_pct: number | null;
  change_30d_pct: number | null;
  change_365d_pct: number | null;
  reference_kind: string | null;
  reference_price_idr: number | null;
  gap_pct: number | null;
  regions_above: number | null;
  days_above: number | null;
  dispersion_pct: number | null;
  level: string | null;
  provinces: number;
  highest: PlacePrice;
  lowest: PlacePrice;
  spark: (number | null)[];
}
export interface Balance {
  rows_in: number;
  silver: number;
  quarantine: number;
  duplicates: number;
  difference: number;
  balanced: boolean;
}
export interface Overview extends Answer {
  date: string | null;
  items: OverviewItem[];
  coverage: { provinces: number; of: number; markets: number };
  balance: Balance;
  open_quarantine: number;
  previous_date: string | null;
  next_date: string | null;
}
export interface Series extends Answer {
  commodity: string;
  name: string;
  unit: string;
  dates: string[];
  regions: { code: string; name: string }[];
  price_idr: (number | null)[][];
  national: (number | null)[];
  reference_idr: (number | null)[];
}
export interface MapRegion {
  code: string;
  name: string;
  value: number | null;
  price_idr: number | null;
  markets: number;
  age_days: number | null;
}
export interface MapClass {
  from: number | null;
  to: number | null;
  label: string;
}
export interface PriceMap extends Answer {
  commodity: string;
  metric: string;
  date: string | null;
  regions: MapRegion[];
  legend: MapClass[];
}
export interface LivePrice {
  market_id: string;
  market_name: string;
  region: string;
  level: string;
  commodity: string;
  price_idr: number;
  unit: string;
  event_time: string;
  change_pct: number | null;
  status: string;
  age_days: number;
}
export interface Forecast extends Answer {
  commodity: string;
  region: string;
  unit: string;
  origin_date: string;
  confidence: number;
  forecast: { date: string; price_idr: number; lower_idr: number; upper_idr: number }[];
  levels: { level: number; lower: number[]; upper: number[] }[];
}
export interface IssuedForecast {
  issued_on: string;
  target_date: string;
  horizon_days: number;
  price_idr: number;
  lower_idr: number;
  upper_idr: number;
  actual_idr: number | null;
  inside: boolean | null;
  model: string;
}
export interface Accuracy {
  model: string;
  commodity: string;
  region: string;
  horizon_days: number;
  wape_pct: number;
  skill_vs_naive: number;
  coverage: number | null;
  origins: number;
  alias: string | null;
}
export interface PipelineTable {
  table: string;
  layer: "bronze" | "silver" | "gold";
  delta_version: number | null;
  rows: number;
  lag_seconds: number | null;
  freshness_seconds: number;
  late: boolean;
  fed_by: string[];
}
export interface Pipeline extends Answer {
  tables: PipelineTable[];
  kafka_lag: number | null;
  processes: { name: string; state: string; since: string }[];
  balance: Balance;
}
export interface QualityRow {
  table: string;
  rule: string;
  severity: string;
  evaluated: number;
  violated: number;
}
export interface Integrity extends Answer {
  valid: boolean;
  length: number;
  head_hash: string | null;
  reason: string | null;
  checked_at: string;
}
export interface Supported extends Answer {
  commodities: { commodity: string; name: string; unit: string; is_group: boolean }[];
  regions: { code: string; name: string }[];
}
export interface Market {
  market_id: string;
  name: string;
  level: string;
  region: string;
  latitude: number | null;
  longitude: number | null;
  commodities: number;
  last_event_time: string | null;
}
