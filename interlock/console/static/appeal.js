// The page of a decision that the desk does not have: it took effect unseen, or was decided long ago. An appeal files it.
import { api } from './api.js';
import { toast, toastNext } from './notices.js';

document.addEventListener('submit', async (event) => {
  const id = event.target.dataset.appeal;
  if (id === undefined) return;
  event.preventDefault();
  const data = new FormData(event.target);
  const button = event.target.querySelector('[type=submit]');
  button.disabled = true;
  try {
    const body = { statement: data.get('appeal_text'), on_behalf_of: data.get('appeal_name').trim() };
    const reply = await api('POST', `/v1/tasks/${encodeURIComponent(id)}/appeal`, body);
    toastNext(reply.message);
    location.assign(`/tasks/${encodeURIComponent(id)}`);
  } catch (error) {
    event.target.closest('dialog').close();
    toast(error.message, { tone: 'bad' });
  } finally {
    button.disabled = false;
  }
});
