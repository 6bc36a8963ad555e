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
  type: string;
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
export interface BalanceReport extends Answer {
  balanced: boolean;
  difference: number;
  per_kind: Record<string, Omit<Balance, "balanced">>;
}
export interface SilentSeries {
  series_kind: "device" | "market";
  series_id: string;
  replayed: boolean;
  last_event_time: string;
  cadence_seconds: number | null;
  silent_seconds: number;
  silent: boolean;
  since: string | null;
}
export interface DriftField {
  kind: string;
  field: string;
  json_types: string[];
  events: number;
  quarantined: number | null;
  first_seen_at: string;
  last_seen_at: string;
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
export interface Confidence extends Answer {
  confidence: number;
  interval_level: number;
  coverage: number | null;
  origins: number;
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
export interface Importance {
  feature: string;
  importance: number;
  rank: number;
}
export interface JobState {
  job_id: string;
  status: string;
  status_text: string;
  progress_pct: number;
  detail: string | null;
  finished_at: string | null;
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
export interface PipelineHour {
  hour: string;
  rows_in: number;
  silver: number;
  quarantine: number;
  duplicates: number;
}
export interface Pipeline extends Answer {
  tables: PipelineTable[];
  kafka_lag: number | null;
  processes: { name: string; state: string; since: string }[];
  silence: { since: string; series: number } | null;
  balance: Balance;
  hours: PipelineHour[];
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
  regions: { code: string; name: string; timezone: string }[];
  symbols: { symbol: string; asset_class: string }[];
  shops: string[];
}
export type Factor = "cuaca" | "hama" | "distribusi" | "oversupply" | "musim" | "permintaan_nasional";
export interface ImpactWeek {
  commodity: string;
  region: string;
  market_date: string;
  price_change: number;
  impact_score: number;
  dominant_factor: Factor | null;
  factors_with_weights: Record<Factor, number>;
  directions: Record<Factor, "up" | "down" | null>;
  unexplained_pct: number;
  unavailable: Factor[];
}
export interface Correlation {
  correlation: number;
  lag_days: number;
  n: number;
  significant: boolean;
}
export interface Anomaly {
  market_id: string | null;
  event_time: string;
  price_idr: number;
  severity: string;
  label: string;
}
export interface Device {
  device_id: string;
  market_id: string;
  role: string;
  status: "pending" | "approved" | "active" | "revoked";
  last_event_time: string | null;
  silent: boolean;
  accepted_24h: number;
  quarantined_24h: number;
  trust_score: number | null;
  registered_at: string;
  registered_from: string | null;
  revoked_at: string | null;
}
export type DeviceItem = Device & Answer;
/** Of a registration or a rotation. */
export interface IssuedClaim {
  device_id: string;
  market_id: string;
  status: Device["status"];
  qr_svg_data_url: string;
  claim_code: string;
  claim_expires_at: string;
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
