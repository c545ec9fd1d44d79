// Buttons that take the best case: data-claim-next, with the name of a queue or nothing.
import { api } from './api.js';
import { toast } from './notices.js';

export async function claimNext(queue = '') {
  try {
    const reply = await api('POST', '/v1/tasks/claim', { queue });
    location.assign(`/tasks/${encodeURIComponent(reply.task_id)}`);
    return true;
  } catch (error) {
    if (error.code !== 'off-duty') {
      toast(error.code === 'nothing-to-do' ? 'Nothing waits for you at present.' : error.message, {
        tone: error.code === 'nothing-to-do' ? 'info' : 'bad',
      });
      return false;
    }
    toast(error.message, { tone: 'bad', action: { label: 'Go on duty', run: () => goOnDuty(queue) } });
    return false;
  }
}

async function goOnDuty(queue) {
  try {
    await api('POST', '/v1/me/on-duty');
    await claimNext(queue);
  } catch (error) {
    toast(error.message, { tone: 'bad' });
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-claim-next]');
  if (!button || button.disabled) return;
  button.disabled = true;
  await claimNext(button.dataset.claimNext);
  button.disabled = false;
});
