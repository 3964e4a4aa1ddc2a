const plain = /^[ !#-[\]-~]*$/

/** A text as JSON. Most need no escapes, and to look costs a fraction of what writing them would. */
export const jsonText = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))
