// Saved filters: <div data-saved-filters="queues"></div> beside a GET form. A filter is a name and the query of the
// address, kept on this machine for the person.
import { ask } from './dialogs.js';
import { announce } from './notices.js';
import { element, kept, meta, onContent, within } from './page.js';

function key(place) {
  return `interlock-filters:${meta('person')}:${place.dataset.savedFilters}`;
}

function read(place) {
  try {
    const filters = JSON.parse(kept.get(key(place))) ?? [];
    return filters.filter(({ name, query }) => typeof name === 'string' && typeof query === 'string');
  } catch {
    return [];
  }
}

function write(place, filters) {
  kept.set(key(place), JSON.stringify(filters));
  show(place);
}

// Where a list was turned to is no part of a filter.
function query() {
  const given = new URLSearchParams(location.search);
  given.delete('cursor');
  return given.toString();
}

async function save(place) {
  const answer = await ask({
    title: 'Save this filter', text: query() || 'No filter is set: the name will stand for all rows.', confirm: 'Save', reason: 'Name',
  });
  if (!answer) return;
  const others = read(place).filter(({ name }) => name !== answer.reason);
  write(place, [...others, { name: answer.reason, query: query() }].sort((one, other) => one.name.localeCompare(other.name)));
  announce(`Filter ${answer.reason} saved.`);
}

function chip(place, { name, query: wanted }) {
  const link = element('a', { className: 'chip', href: `${location.pathname}?${wanted}`, textContent: name });
  if (wanted === query()) link.ariaCurrent = 'true';
  const remove = element('button', { type: 'button', className: 'quiet', textContent: '×', ariaLabel: `Remove the filter ${name}` });
  remove.addEventListener('click', () => write(place, read(place).filter((one) => one.name !== name)));
  return element('li', {}, link, remove);
}

function show(place) {
  const button = element('button', { type: 'button', className: 'quiet', textContent: 'Save this filter…' });
  button.dataset.command = 'Save this filter';
  button.addEventListener('click', () => save(place));
  const list = element('ul', { className: 'chips', ariaLabel: 'Saved filters' }, ...read(place).map((one) => chip(place, one)));
  place.replaceChildren(...(list.children.length ? [list] : []), button);
}

export function start() {
  onContent((root) => { for (const place of within(root, '[data-saved-filters]')) show(place); });
}
