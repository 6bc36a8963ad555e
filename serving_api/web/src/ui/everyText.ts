/** Every text and label of every page passes here, so that no page forgets what a stranger may have hidden in it. */
import { options, type ComponentChildren, type VNode } from "preact";
import { visible } from "./visible.ts";

const LABELS = ["alt", "aria-label", "title"];

function shown(child: ComponentChildren): ComponentChildren {
  if (typeof child === "string") return visible(child);
  return Array.isArray(child) ? child.map(shown) : child;
}

/** From now on, control characters and marks of writing direction are visible wherever Preact writes a text. */
export function showHiddenCharacters(): void {
  const earlier = options.vnode;
  options.vnode = (node: VNode) => {
    const props = node.props as Record<string, unknown>;
    for (const name of LABELS) if (typeof props[name] === "string") props[name] = visible(props[name]);
    if (props.children !== undefined) props.children = shown(props.children as ComponentChildren);
    earlier?.(node);
  };
}
