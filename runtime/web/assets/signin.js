// signin.js -- the door for people.

import { el, show } from './dom.js';
import * as api from './api.js';

export function signInView(app, onDone) {
  const remembered = localStorage.getItem('reeve.tenant') || '';
  const failure = el('p', { class: 'failure', role: 'alert' });
  const tenant = el('input', { id: 'tenant', name: 'tenant', required: true, autocomplete: 'organization', value: remembered });
  const name = el('input', { id: 'name', name: 'name', required: true, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' });
  const password = el('input', { id: 'password', name: 'password', type: 'password', required: true, autocomplete: 'current-password' });
  const button = el('button', { class: 'primary wide', type: 'submit' }, 'Sign in');
  const form = el('form', { class: 'signin', novalidate: true, onsubmit: submit },
    el('div', { class: 'brand large' }, el('span', { class: 'mark', 'aria-hidden': 'true' }, 'R'), 'reeve'),
    el('h1', {}, 'Sign in'),
    el('p', { class: 'quiet' }, 'Agents ask here; you decide.'),
    el('label', { for: 'tenant' }, 'Company'), tenant,
    el('label', { for: 'name' }, 'Name'), name,
    el('label', { for: 'password' }, 'Password'), password,
    failure, button);

  async function submit(event) {
    event.preventDefault();
    failure.textContent = '';
    const empty = [tenant, name, password].find((input) => input.value.trim() === '');
    if (empty) {
      failure.textContent = 'Fill in company, name and password.';
      empty.focus();
      return;
    }
    button.disabled = true;
    try {
      const person = await api.signIn(tenant.value.trim(), name.value.trim(), password.value);
      localStorage.setItem('reeve.tenant', tenant.value.trim());
      onDone(person);
    } catch (problem) {
      failure.textContent = problem.status === 429
        ? 'Too many attempts. Wait a minute and try again.'
        : problem.message.charAt(0).toUpperCase() + problem.message.slice(1) + '.';
      password.value = '';
      password.focus();
    } finally {
      button.disabled = false;
    }
  }

  document.title = 'Sign in · reeve';
  show(app, el('main', { id: 'main', class: 'gate' }, form));
  (remembered ? name : tenant).focus();
}
