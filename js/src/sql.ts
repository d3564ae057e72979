// Tagged templates: the text between the values becomes the statement, each value a `?`.

/** The statement of a template. The parts are the programmer's text; the values never pass through here. */
export function statement(parts: TemplateStringsArray): string {
  return parts.join('?')
}
