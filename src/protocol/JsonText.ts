const plain = /^[ !#-[\]-~]*$/

/**
 * Returns a text as a JSON string. Most texts need no escapes, and the check for characters to escape is cheaper than
 * `JSON.stringify`.
 */
export const jsonText = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))
