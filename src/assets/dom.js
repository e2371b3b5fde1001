// Short ways to what the page does most with its document.

/**
 * The element with this id.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type] what kind of element it has to be
 */
export function byId(id, type) {
  return find(document, `#${id}`, type);
}

/**
 * The first element below `parent` that the selector matches.
 *
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type what kind of element it has to be
 */
export function find(parent, selector, type = /** @type {new () => any} */ (HTMLElement)) {
  const element = parent.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`no ${selector}`);
}

/**
 * A copy of the one element in a template.
 *
 * @param {HTMLTemplateElement} template
 * @returns {HTMLElement}
 */
export function copyOf(template) {
  const copy = template.content.firstElementChild?.cloneNode(true);
  if (copy instanceof HTMLElement) return copy;
  throw new Error(`#${template.id} is empty`);
}

/**
 * A new last child of `parent`.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Node} parent
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} properties
 */
export function append(parent, tag, properties = {}) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  parent.appendChild(element);
  return element;
}

/**
 * Gives `parent` so many children, keeping those that it has, and returns them.
 *
 * @param {Element} parent
 * @param {number} count
 * @param {keyof HTMLElementTagNameMap} tag of the children
 */
export function resize(parent, count, tag) {
  while (parent.children.length > count) parent.lastElementChild?.remove();
  while (parent.children.length < count) append(parent, tag);
  return /** @type {HTMLElement[]} */ ([...parent.children]);
}

/**
 * Sets a text, but touches the document only if it changes: most of a frame is as it was.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
