/** The sections of /metode: how the figures of a table are computed. */
const SECTIONS = {
  "harga-nasional": ["gold.indicators", "gold.daily_prices", "gold.live_prices", "gold.price_history"],
  perubahan: [],
  "het-hap": [],
  sebaran: [],
  tingkat: ["gold.alerts"],
  ifpa: ["gold.monthly_indicators"],
  alps: [],
  prakiraan: ["gold.forecasts"],
  interval: [],
  kemampuan: ["gold.model_accuracy"],
  anomali: ["gold.anomalies"],
  dampak: ["gold.impact_factors"],
  korelasi: ["gold.weather_prices", "gold.sentiment"],
  "indeks-mingguan": ["gold.weekly_index"],
  toko: ["gold.revenue_periods", "gold.revenue", "gold.top_products", "gold.product_supply", "gold.promotions"],
  elastisitas: ["gold.price_elasticity", "gold.discount_effect", "gold.discount_lift"],
  penilaian: ["gold.customer_satisfaction", "gold.price_rating"],
  karantina: ["silver.quarantine", "gold.reviews"],
  "mutu-data": ["gold.quality_hourly", "gold.data_quality"],
  neraca: ["gold.balance"],
} satisfies Record<string, string[]>;
export type MethodId = keyof typeof SECTIONS;
export const METHODS = Object.keys(SECTIONS) as MethodId[];

/** The section about the first table that has one; an answer names what it is about first. */
export function methodOf(tables: string[]): MethodId | null {
  for (const table of tables) {
    const section = METHODS.find((id) => (SECTIONS[id] as string[]).includes(table));
    if (section) return section;
  }
  return null;
}
