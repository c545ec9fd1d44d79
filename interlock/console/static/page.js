// What the server says about the page, content that comes later, and places that may be missing or forbidden.

export function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.content ?? '';
}

// Calls `use(root)` for the page now, and for every part that htmx puts into it later.
export function onContent(use) {
  use(document);
  document.addEventListener('htmx:load', (event) => use(event.detail.elt));
}

// The root itself counts too: htmx hands over what it put in, not what is around it.
export function* within(root, selector) {
  if (root.matches?.(selector)) yield root;
  yield* root.querySelectorAll(selector);
}

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function cookie(name, value) {
  const secure = location.protocol === 'https:' ? '; secure' : '';
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax${secure}`;
}

// Storage throws where a browser forbids it, and where it is full: then nothing is remembered.
function careful(storage) {
  const attempt = (act, otherwise) => {
    try {
      return act(storage());
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => attempt((kept) => kept.getItem(key), null),
    set: (key, value) => attempt((kept) => (kept.setItem(key, value), true), false),
    remove: (key) => attempt((kept) => kept.removeItem(key), undefined),
    keys: () => attempt((kept) => Object.keys(kept), []),
  };
}

export const kept = careful(() => localStorage);
export const keptHere = careful(() => sessionStorage);
