// The theme switch. The server renders the choice from the cookie, so that a page is never painted in the other one.
import { cookie } from './page.js';

export function start() {
  document.addEventListener('change', (event) => {
    if (!event.target.matches('[data-theme-switch]')) return;
    document.documentElement.dataset.theme = event.target.value;
    cookie('interlock-theme', event.target.value);
  });
}
