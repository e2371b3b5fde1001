// Short ways to what the page does most with its document.

/**
 * The element with this id.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type what kind of element it has to be
 * @returns {T}
 */
export function byId(id, type) {
  return checked(document.getElementById(id), type, `#${id}`);
}

/**
 * The first element below `parent` that the selector matches.
 *
 * @template {Element} T
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type what kind of element it has to be
 * @returns {T}
 */
export function find(parent, selector, type) {
  return checked(parent.querySelector(selector), type, selector);
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {new () => T} type
 * @param {string} name
 * @returns {T}
 */
function checked(element, type, name) {
  if (element instanceof type) return element;
  throw new Error(`the page has no ${type.name} ${name}`);
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
  throw new Error(`the template #${template.id} is empty`);
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
 * Brings the number of children of `parent` to `count` and returns them. Existing children are used again.
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
 * Sets a text, but touches the document only if it changes: a frame draws everything, and most of it is the same.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
