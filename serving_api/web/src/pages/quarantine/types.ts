/** What the API answers about the quarantine. */
import type { Answer } from "../../data/types.ts";

export interface Reason {
  rule: string;
  severity: "error" | "warn";
  message: string;
  values: Record<string, number>;
}
export interface Subject {
  commodity: string | null;
  commodity_name: string | null;
  market_name: string | null;
  region: string | null;
  market_date: string | null;
  value: number | null;
  last_value: number | null;
  unit: string | null;
}
export interface Row {
  event_id: string;
  kind: string;
  source: string;
  market_id: string | null;
  commodity: string | null;
  subject: Subject | null;
  reasons: Reason[];
  state: "open" | "released" | "corrected" | "rejected";
  generation: number;
  received_at: string;
  quarantined_at: string;
}
export interface Neighbour {
  market_id: string;
  market_name: string | null;
  region: string | null;
  price_idr: number;
  market_date: string;
}
export interface Evidence {
  price_idr?: number;
  statistics?: Record<string, number | string | boolean | null>;
  neighbours?: Neighbour[];
  sources?: { name: string; price_idr: number; expected_price_idr: number }[];
  limits?: Record<string, number>;
  [name: string]: unknown;
}
export interface Decided {
  decision_id: string;
  decision: "release" | "correct" | "reject";
  reason: string;
  decided_by: string;
  decided_at: string;
  outcome: "pending" | "silver" | "quarantine" | "closed";
}
export interface Item extends Row, Answer {
  payload: string | null;
  payload_base64: string | null;
  evidence: Evidence | null;
  suggestion: Record<string, unknown> | null;
  decisions: Decided[];
}
export interface Summary extends Answer {
  open: number;
  by_rule: { rule: string; open: number; oldest: string }[];
  by_market: { market_id: string; market_name: string | null; open: number }[];
  median_hours: number | null;
}
