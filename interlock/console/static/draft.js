// Drafts of forms with data-draft="<task>": kept on this machine by person and task until they are sent.
// A lost lease or a closed tab does not take away what somebody wrote.
import { announce } from './notices.js';
import { element, kept, meta, onContent, within } from './page.js';
import { clock } from './times.js';

const PREFIX = 'interlock-draft:';
// A task is decided, or given to somebody else, long before.
const KEPT_MS = 7 * 24 * 3600 * 1000;

function key(form) {
  return `${PREFIX}${meta('person')}:${form.dataset.draft}`;
}

function* fields(form) {
  for (const one of form.elements) {
    if (one.name && !['hidden', 'password', 'file', 'submit', 'button'].includes(one.type)) yield one;
  }
}

function value(one) {
  return ['checkbox', 'radio'].includes(one.type) ? one.checked : one.value;
}

// Radio buttons share a name: each has its own entry.
function entry(one) {
  return one.type === 'radio' || one.type === 'checkbox' ? `${one.name}=${one.value}` : one.name;
}

function save(form) {
  const values = Object.fromEntries([...fields(form)].map((one) => [entry(one), value(one)]));
  kept.set(key(form), JSON.stringify({ at: Date.now(), values }));
}

function read(name) {
  try {
    const draft = JSON.parse(kept.get(name));
    return draft && Date.now() - draft.at < KEPT_MS ? draft : null;
  } catch {
    return null;
  }
}

// After success. Pages that send a form with `api` call it; forms that htmx sends lose their draft by themselves.
export function drop(form) {
  kept.remove(key(form));
  form.querySelector('[data-draft-note]')?.remove();
}

function note(form, at) {
  const text = `Draft of ${clock(new Date(at))} restored`;
  const discard = element('button', { type: 'button', className: 'quiet', textContent: 'Discard the draft' });
  discard.addEventListener('click', () => { form.reset(); drop(form); fire(form); });
  const box = element('p', { className: 'draft-note' }, text, ' ', discard);
  box.dataset.draftNote = '';
  form.querySelector('[data-draft-note]')?.remove();
  form.prepend(box);
  announce(text);
}

// For whatever follows the fields, such as the diff of a changed outcome.
function fire(form) {
  form.dispatchEvent(new CustomEvent('interlock:draft', { bubbles: true }));
}

function restore(form) {
  const draft = read(key(form));
  if (!draft) return;
  let changed = false;
  for (const one of fields(form)) {
    const before = draft.values[entry(one)];
    if (before === undefined || before === value(one)) continue;
    if (typeof before === 'boolean') one.checked = before;
    else one.value = before;
    changed = true;
  }
  if (!changed) return;
  note(form, draft.at);
  fire(form);
}

export function start() {
  for (const name of kept.keys()) if (name.startsWith(PREFIX) && !read(name)) kept.remove(name);
  onContent((root) => { for (const form of within(root, 'form[data-draft]')) restore(form); });
  for (const event of ['input', 'change']) {
    document.addEventListener(event, ({ target }) => {
      const form = target.form?.closest?.('form[data-draft]');
      if (form) save(form);
    });
  }
  document.addEventListener('htmx:afterRequest', ({ detail }) => {
    const form = detail.elt.closest?.('form[data-draft]');
    // 422 is the same form again, with errors.
    if (form && detail.successful && detail.requestConfig.verb !== 'get') drop(form);
  });
  // Whoever logs out leaves nothing on the machine.
  document.addEventListener('submit', ({ target }) => {
    if (!target.matches('[data-logout]')) return;
    const mine = `${PREFIX}${meta('person')}:`;
    for (const name of kept.keys()) if (name.startsWith(mine)) kept.remove(name);
  });
}
