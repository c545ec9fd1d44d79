// Live updates: server-sent events become DOM events on the document, `interlock:task` with the JSON as detail, and
// elements with data-live="/path" data-live-on="task,presence" fetch their content again.
//
// data-live-every="10" fetches it again after so many seconds as well; data-live-now at once, where the page does not
// wait for something slow. data-live-id="…" narrows it to events about one task or decision. A browser opens six connections to a server, and a
// stream is one of them: a tab that nobody looks at gives its own back, and catches up when it is looked at again.
import { login } from './api.js';
import { onContent, within } from './page.js';

// At most one request of a part in this time, however many events come.
const PAUSE_MS = 500;
// A short look at another tab does not end the stream.
const HIDDEN_MS = 60000;
// How long until a stream that the server refused is asked for again; the browser does it itself after lost connections.
const RETRY_MS = 5000;

let source = null;
let address = '';
let hiding = 0;
let wasLost = false;
const names = new Set();
const pending = new WeakMap();

function state(word) {
  for (const place of document.querySelectorAll('[data-live-state]')) {
    place.hidden = false;
    place.dataset.liveState = word;
    place.textContent = word === 'live' ? 'live' : 'reconnecting…';
  }
}

function hear(event) {
  let detail = event.data;
  try {
    detail = JSON.parse(event.data);
  } catch {
    // Plain text is a text.
  }
  document.dispatchEvent(new CustomEvent(`interlock:${event.type}`, { detail }));
  for (const part of document.querySelectorAll('[data-live][data-live-on]')) {
    if (wants(part, event.type, detail)) refresh(part);
  }
}

function wants(part, name, detail) {
  if (!part.dataset.liveOn.split(/[\s,]+/).includes(name)) return false;
  const id = part.dataset.liveId;
  return !id || [detail?.id, detail?.task_id, detail?.decision_id].includes(id);
}

// Calls `use(detail)` for every event of the name; for pages with modules of their own.
export function on(name, use) {
  listen(name);
  document.addEventListener(`interlock:${name}`, (event) => use(event.detail));
}

function listen(name) {
  if (!name || names.has(name)) return;
  names.add(name);
  source?.addEventListener(name, hear);
}

// Fetches the content of a part again: now, or as soon as the pause since its last request is over.
export function refresh(part) {
  const mine = pending.get(part) ?? { last: -PAUSE_MS, timer: 0, busy: false, again: false };
  pending.set(part, mine);
  if (mine.busy) {
    mine.again = true;
  } else if (!mine.timer) {
    const wait = Math.max(0, mine.last + PAUSE_MS - performance.now());
    mine.timer = setTimeout(() => { mine.timer = 0; fetchPart(part, mine); }, wait);
  }
}

async function fetchPart(part, mine) {
  if (!part.isConnected) return;
  mine.busy = true;
  mine.last = performance.now();
  try {
    const answer = await fetch(part.dataset.live, { headers: { 'HX-Request': 'true' }, credentials: 'same-origin' });
    if (answer.status === 401) return login();
    if (!answer.ok) throw new Error(`${answer.status}`);
    if (put(part, await answer.text())) delete part.dataset.liveStale;
    else part.dataset.liveStale = '';
  } catch {
    // The old content stays, and says that it is old.
    part.dataset.liveStale = '';
  } finally {
    mine.busy = false;
    if (mine.again) {
      mine.again = false;
      refresh(part);
    }
  }
}

// Whoever is typing, choosing rows or answering a dialog in this part is not disturbed: it waits until they leave it.
function put(part, html) {
  const active = document.activeElement;
  const typing = part.contains(active) && active.matches('input, select, textarea, [contenteditable]');
  if (typing || part.querySelector('dialog[open], [data-bulk-item]:checked')) {
    if (typing) active.addEventListener('blur', () => refresh(part), { once: true });
    return false;
  }
  window.htmx.swap(part, html, { swapStyle: 'innerHTML' });
  return true;
}

function connect() {
  if (source) return;
  const opened = new EventSource(address);
  source = opened;
  opened.addEventListener('open', () => {
    state('live');
    // Events that came in between may be lost where the server no longer has them.
    if (wasLost) for (const part of document.querySelectorAll('[data-live]')) refresh(part);
    wasLost = false;
  });
  opened.addEventListener('error', () => {
    wasLost = true;
    state('reconnecting');
    if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
    source = null;
    setTimeout(() => { if (!document.hidden) connect(); }, RETRY_MS);
  });
  for (const name of names) opened.addEventListener(name, hear);
}

function disconnect() {
  source?.close();
  source = null;
  wasLost = true;
}

// What no event tells of: while somebody looks at it.
function often(root) {
  for (const part of within(root, '[data-live-every]')) {
    const timer = setInterval(() => {
      if (!part.isConnected) clearInterval(timer);
      else if (!document.hidden) refresh(part);
    }, Number(part.dataset.liveEvery) * 1000);
  }
  for (const part of within(root, '[data-live-now]')) refresh(part);
}

export function start() {
  onContent(often);
  address = document.body.dataset.events ?? '';
  if (!address) return;
  onContent((root) => {
    for (const part of within(root, '[data-live-on]')) part.dataset.liveOn.split(/[\s,]+/).forEach(listen);
  });
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(disconnect, HIDDEN_MS);
    else connect();
  });
  window.addEventListener('pagehide', disconnect);
  window.addEventListener('pageshow', () => { if (!document.hidden) connect(); });
  if (!document.hidden) connect();
}
