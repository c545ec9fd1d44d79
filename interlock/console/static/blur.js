// Personal data ([data-private]) is blurred: hover and focus show it while they last, a click until the next one, and
// key p all of it, for this session.
import { announce } from './notices.js';
import { enabled, takesText } from './keys.js';
import { keptHere } from './page.js';

const SHOWN = 'interlock-private-shown';

function apply(shown) {
  document.documentElement.toggleAttribute('data-private-shown', shown);
}

function toggle() {
  const shown = keptHere.get(SHOWN) === null;
  if (shown) keptHere.set(SHOWN, '1');
  else keptHere.remove(SHOWN);
  for (const one of document.querySelectorAll('[data-private=shown]')) one.dataset.private = '';
  apply(shown);
  announce(shown ? 'Personal data is shown.' : 'Personal data is blurred.');
}

export function start() {
  apply(keptHere.get(SHOWN) !== null);
  document.addEventListener('click', ({ target }) => {
    if (target.closest('[data-private-switch]')) toggle();
    const one = target.closest('[data-private]');
    if (one && !target.closest('a, button, summary')) one.dataset.private = one.dataset.private === 'shown' ? '' : 'shown';
  });
  document.addEventListener('keydown', (event) => {
    const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented);
    if (event.key !== 'p' || !plain || !enabled() || takesText(event.target)) return;
    toggle();
  });
}
