/** Search among the addresses of the page. */
export interface Target {
  text: string;
  url: string;
}
/** Words without case, marks and signs. */
export const simple = (text: string): string => text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, " ").trim();

/** The targets whose text holds every word, in their order; without words all of them. */
export function matches(targets: Target[], words: string): Target[] {
  const wanted = simple(words).split(" ");
  return targets.filter(({ text }) => wanted.every((word) => simple(text).includes(word)));
}
