/** Any answer of the API as the rows of a file. */
type Row = Record<string, string | number | null>;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is Record<string, unknown>[] => Array.isArray(value) && value.every(isObject);

function flat(entry: Record<string, unknown>): Row {
  const cell = (value: unknown) => (value === null || typeof value === "number" || typeof value === "string" ? value : JSON.stringify(value));
  return Object.fromEntries(Object.entries(entry).map(([name, value]) => [name, cell(value ?? null)]));
}

/** Its longest list; of an answer without one, the answer itself. Columns of days are one row for each day. */
export function answerRows(answer: object): Row[] {
  const { meta: _, ...body } = answer as Record<string, unknown>;
  if (Array.isArray(body.dates)) {
    const { dates, regions, price_idr: prices, ...rest } = body as { dates: string[]; regions?: { name: string }[]; price_idr?: (number | null)[][] } & Record<string, unknown>;
    const columns = Object.entries(rest).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]) && entry[1].length === dates.length);
    return dates.map((date, nth) => flat({ date, ...Object.fromEntries(columns.map(([name, values]) => [name, values[nth]])), ...Object.fromEntries((regions ?? []).map(({ name }, row) => [name, prices?.[row][nth]])) }));
  }
  const lists = Object.values(body).filter(isList);
  if (!lists.length) return [flat(body)];
  return lists.reduce((longest, list) => (list.length > longest.length ? list : longest)).map(flat);
}
