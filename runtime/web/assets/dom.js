// dom.js -- the only way this program makes elements.  Strings always become text nodes, so nothing
// that a supplier or an agent wrote is ever read as markup.

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (value === true) node.setAttribute(name, '');
    else node.setAttribute(name, String(value));
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function show(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

export function announce(text) {
  const place = document.getElementById('announce');
  place.textContent = '';
  setTimeout(() => { place.textContent = text; }, 50);
}

let toastTimer = 0;
export function toast(text, kind) {
  let place = document.getElementById('toast');
  if (!place) {
    place = el('div', { id: 'toast', role: 'status' });
    document.body.append(place);
  }
  place.textContent = text;
  place.className = 'toast shown ' + (kind || '');
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { place.className = 'toast'; }, 5000);
}
