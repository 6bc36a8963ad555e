/** What the API answers about a shop, as far as its pages read it. */
import type { Answer } from "./types.ts";

export interface CategoryRevenue {
  category: string;
  revenue: number;
  units_sold: number;
  average_price: number;
  products: number;
  discount_cost: number;
}
export interface ShopEntry {
  shop: string;
  currency: string | null;
}
export interface RevenueDay {
  market_date: string;
  category: string;
  revenue: number;
  units_sold: number;
  revenue_new: number;
  units_new: number;
}
export interface TopProduct {
  product_id: number;
  product_name: string;
  category: string;
  revenue: number;
  units_sold: number;
  price: number;
}
export interface RevenueReport extends Answer {
  total_revenue: number;
  currency: string | null;
  items: CategoryRevenue[];
}
export interface DiscountBand {
  category: string;
  discount_band: string;
  products: number;
  lift_units: number | null;
  lift_revenue: number | null;
  lift_revenue_low: number | null;
  lift_revenue_high: number | null;
  break_even_lift: number | null;
  effective: boolean | null;
}
export interface PriceRating {
  category: string;
  correlation: number | null;
  ci_low: number | null;
  ci_high: number | null;
  n: number;
  average_price: number;
  average_rating: number;
  bands: { price_low: number; price_high: number; rating: number; rating_low: number; rating_high: number }[];
}
export interface Satisfaction {
  category: string;
  average_rating: number;
  bayesian_rating: number;
  satisfaction_index: number;
  high_rating_pct: number;
  reviews: number;
  engagement: number;
  sold_out: number;
  stock_quantity: number;
  days_of_cover: number | null;
}
export interface ProductSentiment {
  product_name: string;
  category: string;
  posts: number;
  positive: number;
  neutral: number;
  negative: number;
  score: number;
  newest: string;
}
export interface Items<Item> extends Answer {
  items: Item[];
}
export interface SalesPrediction extends Answer {
  predicted_sales: number;
  lower: number;
  upper: number;
  interval_level: number;
  confidence: number;
  target: "units_so_far" | "units_a_day";
}
export interface PriceCurve extends Answer {
  points: { price: number; predicted_sales: number; revenue: number; revenue_low: number; revenue_high: number }[];
  best_price: number;
  best_price_low: number;
  best_price_high: number;
  observed_low: number;
  observed_high: number;
  signal: boolean;
}
export interface SplitScores {
  model: string;
  split: "random" | "grouped" | "time";
  champion: boolean;
  r2: number | null;
  r2_within: number | null;
  r2_log: number | null;
  wape_pct: number | null;
  rmse: number;
  mae: number;
  skill: number | null;
  skill_naive: number | null;
  coverage_90: number | null;
}
export interface LeakRow {
  column_name: string;
  role: "input" | "left out" | "control";
  r2_alone: number;
  r2_with_inputs: number;
  verdict: string;
}
export interface SalesModelReport extends Answer {
  champion: string | null;
  signal: boolean;
  verdict: string | null;
  published_r2: number;
  scores: SplitScores[];
  leaks: LeakRow[];
  importance: { feature: string; importance: number }[];
}
