// The command palette (Ctrl or Cmd with K): pages, actions of this page ([data-command]), and ids of tasks and decisions.
import { element } from './page.js';
import { open } from './dialogs.js';

// More does not fit, and whoever types one more letter finds it.
const MOST = 12;

let entries = [];
let chosen = 0;

// How well letters in this order fit into a text: smaller is better, null is not at all.
export function fit(query, text) {
  const wanted = query.toLowerCase().replaceAll(' ', '');
  const given = text.toLowerCase();
  const whole = given.indexOf(query.toLowerCase().trim());
  if (whole >= 0) return whole / 1000;
  let at = -1;
  let gaps = 1;
  for (const letter of wanted) {
    const next = given.indexOf(letter, at + 1);
    if (next < 0) return null;
    gaps += next - at - 1;
    at = next;
  }
  return gaps;
}

function offered() {
  const pages = [...document.querySelectorAll('[data-nav]')].map((link) => ({
    kind: 'Page', label: link.textContent.trim(), run: () => location.assign(link.href),
  }));
  const visible = (one) => !one.disabled && !one.closest('dialog') && one.checkVisibility({ visibilityProperty: true });
  const actions = [...document.querySelectorAll('[data-command]')].filter(visible).map((one) => ({
    kind: 'Action', label: one.dataset.command, run: () => { one.focus(); one.click(); },
  }));
  return [...actions, ...pages];
}

function byId(query) {
  const id = query.trim();
  // An id has no spaces; two letters are somebody who begins to type a name.
  if (id.length < 3 || /\s/.test(id)) return [];
  return [['task', '/tasks/'], ['decision', '/decisions/']].map(([noun, path]) => ({
    kind: 'Open', label: `${noun} ${id}`, run: () => location.assign(path + encodeURIComponent(id)),
  }));
}

function find(query) {
  if (!query.trim()) return offered().slice(0, MOST);
  const fits = offered()
    .map((entry) => ({ entry, score: fit(query, entry.label) }))
    .filter(({ score }) => score !== null)
    .sort((one, other) => one.score - other.score)
    .map(({ entry }) => entry);
  return [...fits.slice(0, MOST), ...byId(query)];
}

function choose(index) {
  const list = document.getElementById('palette-list');
  chosen = entries.length ? (index + entries.length) % entries.length : 0;
  for (const [at, item] of [...list.children].entries()) item.ariaSelected = String(at === chosen);
  const item = entries.length ? list.children[chosen] : null;
  item?.scrollIntoView({ block: 'nearest' });
  const input = document.querySelector('.palette-input');
  if (item) input.setAttribute('aria-activedescendant', item.id);
  else input.removeAttribute('aria-activedescendant');
}

function show(query) {
  entries = find(query);
  const items = entries.map((entry, at) => element(
    'li', { id: `palette-${at}`, role: 'option', ariaSelected: 'false' },
    element('span', { className: 'palette-kind', textContent: entry.kind }), ` ${entry.label}`,
  ));
  const nothing = element('li', { role: 'option', ariaDisabled: 'true', className: 'note', textContent: 'Nothing found' });
  document.getElementById('palette-list').replaceChildren(...(items.length ? items : [nothing]));
  choose(0);
}

function run(index) {
  const entry = entries[index];
  if (!entry) return;
  document.getElementById('palette').close();
  entry.run();
}

export function start() {
  const input = document.querySelector('.palette-input');
  const list = document.getElementById('palette-list');
  if (!document.querySelector('[data-palette-button]')) return;
  const reset = () => { input.value = ''; show(''); input.focus(); };
  document.querySelector('[data-palette-button]').addEventListener('click', () => { open('palette'); reset(); });
  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    // A dialog on top asks for an answer first.
    if (document.querySelector('dialog:modal')) return;
    open('palette');
    reset();
  });
  input.addEventListener('input', () => show(input.value));
  input.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(chosen + step);
    else if (event.key === 'Enter') run(chosen);
    else return;
    event.preventDefault();
  });
  list.addEventListener('click', (event) => run([...list.children].indexOf(event.target.closest('li'))));
}
