// Making a token: its secret is shown once, and kept nowhere.
import { api } from './api.js';
import { open } from './dialogs.js';
import { refresh } from './live.js';
import { announce } from './notices.js';
import { element } from './page.js';

const form = document.querySelector('[data-token-form]');
const refusal = form.querySelector('[data-token-problem]');
const made = document.querySelector('[data-token]');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const body = {
    name: data.get('token_name'),
    person: data.get('token_person').trim(),
    days: Number(data.get('token_days')),
    roles: data.getAll('role'),
    scopes: data.getAll('scope'),
  };
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  refusal.hidden = true;
  try {
    const { token } = await api('POST', '/v1/tokens', body);
    form.closest('dialog').close();
    form.reset();
    made.value = token;
    open('made-token');
    made.select();
    refresh(document.querySelector('[data-tokens]'));
  } catch (error) {
    refusal.hidden = false;
    refusal.replaceChildren(element('p', { textContent: error.message }));
  } finally {
    button.disabled = false;
  }
});

document.querySelector('[data-copy-token]').addEventListener('click', async () => {
  made.select();
  await navigator.clipboard?.writeText(made.value).catch(() => null);
  announce('Copied.');
});
document.getElementById('made-token').addEventListener('close', () => { made.value = ''; });
