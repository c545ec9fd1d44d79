// A button with data-copies="id" copies the text of that element.
import { toast } from './notices.js';

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copies]');
  if (!button) return;
  const place = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(place.textContent);
    toast('Copied.', { tone: 'good' });
  } catch {
    // Browsers refuse it over plain HTTP from another machine: the text is chosen, to be copied by hand.
    getSelection().selectAllChildren(place);
    toast('The browser does not let pages copy: the text is selected, copy it with Ctrl C.');
  }
});
