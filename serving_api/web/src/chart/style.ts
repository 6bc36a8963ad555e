/** Colours and type of what is drawn on a canvas, by the theme that is shown. */
export const FONT = '"Plus Jakarta Sans Variable", system-ui, sans-serif';
export const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
