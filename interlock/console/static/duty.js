// The button that goes on or off duty.
import { api } from './api.js';
import { ask } from './dialogs.js';
import { toast } from './notices.js';

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-duty]');
  if (!button) return;
  const off = button.dataset.duty === 'off';
  const question = { title: 'Go off duty?', text: 'The cases that you hold go back to their queues; your drafts stay.', confirm: 'Go off duty' };
  if (off && !(await ask(question))) return;
  try {
    const reply = await api('POST', `/v1/me/${button.dataset.duty}-duty`);
    button.dataset.duty = off ? 'on' : 'off';
    for (const part of button.childNodes) if (part.nodeType === Node.TEXT_NODE && part.textContent.trim()) part.textContent = off ? 'Go on duty ' : 'Go off duty ';
    toast(reply.message, { tone: 'good' });
  } catch (error) {
    toast(error.message, { tone: 'bad' });
  }
});
