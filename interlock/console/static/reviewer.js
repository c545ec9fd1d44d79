// The form of a person of the roster: rows that come and go, and what is sent.
import { api } from './api.js';
import { drop } from './draft.js';
import { toastNext } from './notices.js';
import { element } from './page.js';

const form = document.getElementById('reviewer');
const refusal = form.querySelector('[data-refusal]');

function rows(name) {
  return [...form.querySelectorAll(`[data-rows=${name}] > *`)]
    .map((row) => Object.fromEntries([...row.querySelectorAll('[data-part]')].map((one) => [one.dataset.part, one.value.trim()])))
    .filter((row) => Object.values(row).some(Boolean));
}

function split(text, by) {
  return text.split(by).map((part) => part.trim()).filter(Boolean);
}

// As in a roster file. A contact that is left out stays as it is.
function body() {
  const data = new FormData(form);
  const text = (name) => (data.get(name) ?? '').trim();
  const hours = {};
  for (const field of form.querySelectorAll('[name^=hours-]')) {
    const intervals = split(field.value, ',');
    if (intervals.length) hours[field.name.slice('hours-'.length)] = intervals;
  }
  const contact = data.has('no_contact') ? { contact: '' } : text('contact') ? { contact: text('contact') } : {};
  return {
    id: form.dataset.id || text('id'),
    name: text('name'),
    role: text('role'),
    manager: text('manager'),
    queues: split(text('queues'), '\n'),
    qualifications: rows('qualifications').map(({ name, expires }) => ({ name, ...(expires && { expires }) })),
    capacity: Number(text('capacity')),
    time_zone: text('time_zone'),
    hours,
    time_off: rows('time_off'),
    ...contact,
  };
}

function refuse(error) {
  const errors = error.problem?.errors ?? [];
  const list = errors.length > 1 ? [element('ul', {}, ...errors.map((one) => element('li', { textContent: `${one.field}: ${one.message}` })))] : [];
  refusal.hidden = false;
  refusal.replaceChildren(element('p', { textContent: error.message }), ...list);
  if (error.status === 412) refusal.append(element('p', { className: 'note', textContent: 'Somebody else changed this person: load the page again. What you wrote is kept as a draft.' }));
  refusal.focus();
}

async function save(event) {
  event.preventDefault();
  const person = body();
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  refusal.hidden = true;
  try {
    await api('PUT', `/v1/reviewers/${encodeURIComponent(person.id)}`, person, { ifMatch: form.dataset.match });
    drop(form);
    toastNext(`Saved: ${person.name || person.id}.`);
    location.assign('/reviewers');
  } catch (error) {
    refuse(error);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener('click', ({ target }) => {
  const add = target.closest('[data-add-row]');
  if (add) {
    const place = form.querySelector(`[data-rows=${add.dataset.addRow}]`);
    const made = document.querySelector(`template[data-row=${add.dataset.addRow}]`).content.cloneNode(true);
    place.append(made);
    place.lastElementChild.querySelector('input').focus();
  }
  const remove = target.closest('[data-remove-row]');
  if (remove) {
    const row = remove.closest('.list-row');
    const next = row.nextElementSibling?.querySelector('input') ?? row.closest('fieldset').querySelector('[data-add-row]');
    row.remove();
    next.focus();
  }
});
form.addEventListener('submit', save);
