/**
 * @typedef {object} Session
 * @property {boolean} needed whether the edge asks for tokens
 * @property {{ scopes: ReadonlyArray<string>, users: "all" | "some" }} [caller]
 */

/**
 * The rights that the token of this page gives. Until the service has told the rights of the token, the page shows all
 * of its parts.
 */
class Rights {
  /** @type {Session} */
  session = { needed: false }

  /**
   * Takes the rights of the token, and hides the parts of the page that need rights which the token does not give.
   *
   * @param {Session} session
   */
  take(session) {
    this.session = session
    for (const part of document.querySelectorAll("[data-scope]")) {
      part.toggleAttribute("data-barred", !this.may(part.getAttribute("data-scope") ?? ""))
    }
  }

  /** Returns whether the token gives a right, like `feed:read`. @param {string} scope */
  has(scope) {
    const { caller } = this.session
    return caller === undefined || caller.scopes.includes(scope)
  }

  /**
   * Returns whether the token gives the right to see a part of the page. Some parts of the page show the data of all
   * users, and need a token for all users.
   *
   * @param {string} scope
   */
  may(scope) {
    const isOfAll = scope === "feed:read" || scope.startsWith("rejected:")
    return this.has(scope) && (!isOfAll || this.session.caller?.users !== "some")
  }

  /** Whether requests need a token. */
  get needsToken() {
    return this.session.needed
  }
}

/** The rights of this page. The page has one token at a time. */
export const rights = new Rights()
