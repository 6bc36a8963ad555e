/** The pages: their addresses, which the build hands to the API, and their entries in the navigation. */
import type { ComponentType } from "preact";
import type { Role } from "./data/session.ts";
import type { Key } from "./i18n/index.ts";

export interface Entry {
  path: string;
  title: Key;
  icon: string;
  /** What has to be stored before the entry is of use. */
  needs?: "shops" | "symbols";
  /** The least role that the entry is of use to; its page says so to others. */
  role?: Role;
  load: () => Promise<ComponentType>;
}
export const ENTRIES: Entry[] = [
  { path: "/", title: "nav_home", icon: "M3 10.5 12 3l9 7.5V20a1 1 0 0 1-1 1h-5v-6H9v6H4a1 1 0 0 1-1-1z", load: async () => (await import("./pages/Home.tsx")).Home },
  { path: "/komoditas", title: "nav_commodity", icon: "M3 17l5-6 4 4 6-8 3 3M3 21h18", load: async () => (await import("./pages/Commodity.tsx")).Commodity },
  { path: "/dashboard/map/", title: "nav_map", icon: "M9 4 3 6v14l6-2 6 2 6-2V4l-6 2zM9 4v14M15 6v14", load: async () => (await import("./pages/MapPage.tsx")).MapPage },
  { path: "/iph", title: "nav_sheet", icon: "M5 3h14v18H5zM8 8h8M8 12h8M8 16h5", load: async () => (await import("./pages/WeeklySheet.tsx")).WeeklySheet },
  { path: "/peringatan", title: "nav_alerts", icon: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4", load: async () => (await import("./pages/Alerts.tsx")).Alerts },
  { path: "/karantina", title: "nav_quarantine", icon: "M9 4h6v3H9zM9 5H5v16h14V5h-4M8.5 14l2.5 2.5 4.5-5", load: async () => (await import("./pages/Quarantine.tsx")).Quarantine },
  { path: "/prakiraan", title: "nav_forecasts", icon: "M3 18l6-7 4 3 3-4M16 10l5-6M16 10l5 1M16 10l5 7", load: async () => (await import("./pages/Forecasts.tsx")).Forecasts },
  { path: "/sales", needs: "shops", title: "nav_sales", icon: "M4 20V10h4v10M10 20V4h4v16M16 20v-7h4v7", load: async () => (await import("./pages/shop/Sales.tsx")).Sales },
  { path: "/pricing", needs: "shops", title: "nav_pricing", icon: "M3 12V4h8l10 10-8 8zM7.5 8.5h.01", load: async () => (await import("./pages/shop/Pricing.tsx")).Pricing },
  { path: "/customers", needs: "shops", title: "nav_customers", icon: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M4 21a8 8 0 0 1 16 0", load: async () => (await import("./pages/shop/Customers.tsx")).Customers },
  { path: "/trades", needs: "symbols", title: "nav_trades", icon: "M6 3v4M6 14v5M4 7h4v7H4zM16 5v4M16 17v4M14 9h4v8h-4z", load: async () => (await import("./pages/trading/Trades.tsx")).Trades },
  { path: "/analytics", needs: "symbols", title: "nav_trading_analytics", icon: "M3 20h18M5 16l4-5 4 3 6-8M15 6h4v4", load: async () => (await import("./pages/trading/Analytics.tsx")).Analytics },
  { path: "/pipa-data", title: "nav_pipeline", icon: "M4 6h6v4H4zM14 14h6v4h-6zM7 10v6h7", load: async () => (await import("./pages/Pipeline.tsx")).Pipeline },
  { path: "/perangkat", title: "nav_devices", icon: "M8 3h8v18H8zM11 17h2M4 8a6 6 0 0 0 0 8M20 8a6 6 0 0 1 0 8", load: async () => (await import("./pages/Devices.tsx")).Devices },
  { path: "/admin", role: "admin", title: "nav_admin", icon: "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM9 12l2 2 4-4", load: async () => (await import("./pages/Admin.tsx")).Admin },
  { path: "/pengembang", title: "nav_developers", icon: "M8 7l-5 5 5 5M16 7l5 5-5 5M14 4l-4 16", load: async () => (await import("./pages/Developers.tsx")).Developers },
];
export const SIGN_IN: Entry = { path: "/masuk", title: "sign_in", icon: "", load: async () => (await import("./pages/SignIn.tsx")).SignIn };
/** What `?embed=1` shows of its address. */
export const EMBEDDED: Entry = { path: "/komoditas", title: "nav_commodity", icon: "", load: async () => (await import("./pages/Embedded.tsx")).Embedded };
export const METHOD_PAGE: Entry = { path: "/metode", title: "method", icon: "", load: async () => (await import("./pages/Methods.tsx")).Methods };
export const PAGES = [...ENTRIES, SIGN_IN, METHOD_PAGE];
