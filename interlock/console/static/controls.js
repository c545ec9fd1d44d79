// Halting a model, a domain or everything: always with a reason, and everything only after its name was typed.
import { api } from './api.js';
import { ask } from './dialogs.js';
import { toast } from './notices.js';

const form = document.getElementById('halt-form');

function follow() {
  const kind = form.elements.kind.value;
  for (const field of form.querySelectorAll('[data-for]')) {
    field.hidden = field.dataset.for !== kind;
    field.querySelector('input').disabled = field.hidden;
  }
}

function scope() {
  const data = new FormData(form);
  if (data.get('kind') === 'all') return 'all';
  if (data.get('kind') === 'domain') return `domain:${data.get('domain').trim()}`;
  const version = data.get('version').trim();
  return `model:${data.get('model').trim()}${version && `@${version}`}`;
}

async function halt(event) {
  event.preventDefault();
  const wanted = scope();
  const all = wanted === 'all';
  const answer = await ask({
    title: all ? 'Halt everything?' : `Halt ${wanted}?`,
    text: `${all ? 'No decision of any model' : 'Nothing in it'} takes effect without a person until it is resumed. Everybody sees the reason.`,
    confirm: all ? 'Halt everything' : 'Halt',
    reason: 'Reason',
    danger: true,
    word: all ? 'all' : '',
  });
  if (!answer) return;
  try {
    await api('POST', '/v1/controls/halt', { scope: wanted, reason: answer.reason });
    toast(`Halted: ${wanted}.`, { tone: 'good' });
    form.reset();
    follow();
  } catch (error) {
    toast(error.message, { tone: 'bad' });
  }
}

form.addEventListener('change', follow);
form.addEventListener('submit', halt);
follow();
