/** How large a state may be: it is written as a whole, and read in one message of Postgres's. */

/** Bound in bytes. */
const maxState = 8_388_608

const utf8 = new TextEncoder()

/** What is wrong with the text of a state, or `undefined`. */
export const problem = (text: string): string | undefined =>
  // No character has more than three bytes: most texts need not be encoded to know that.
  3 * text.length > maxState && utf8.encode(text).length > maxState
    ? `The state has more than ${maxState} bytes: let the definition keep less`
    : undefined
