import type { Page } from "playwright-core"

/**
 * Returns the problems of a page for people who see it badly or not at all. The problems are controls without a name,
 * repeated ids, tables and pictures without words, and texts with a contrast below WCAG 2.2 AA (4.5, large texts 3).
 */
export const accessibilityMistakes = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(`(() => {
    const mistakes = []
    const shown = (element) => element.checkVisibility({ opacityProperty: false, visibilityProperty: true })
    const all = (selector) => [...document.querySelectorAll(selector)].filter(shown)
    const what = (element) => element.outerHTML.slice(0, 90)

    if (document.documentElement.lang === "") mistakes.push("the page has no language")
    if (document.querySelectorAll("h1").length !== 1) mistakes.push("the page has not one h1")
    if (document.querySelectorAll("main").length !== 1) mistakes.push("the page has not one main")

    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id)
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) mistakes.push("two elements are called " + id)
    for (const element of document.querySelectorAll("[for],[aria-labelledby]")) {
      const id = element.getAttribute("for") ?? element.getAttribute("aria-labelledby")
      if (document.getElementById(id) === null) mistakes.push("nothing is called " + id)
    }

    const hasName = (element) =>
      (element.getAttribute("aria-label") ?? "") !== "" ||
      element.hasAttribute("aria-labelledby") ||
      (element.labels?.length ?? 0) > 0 ||
      (element.matches("button,a,summary") && element.textContent.trim() !== "")
    for (const element of all("button,a,input,select,textarea,summary,progress,[tabindex='0'],[role=img],dialog")) {
      if (!hasName(element)) mistakes.push("has no name: " + what(element))
    }
    for (const image of all("img")) if (!image.hasAttribute("alt")) mistakes.push("has no alt: " + what(image))
    for (const head of all("th")) if (!head.hasAttribute("scope")) mistakes.push("has no scope: " + what(head))
    for (const cell of all("table")) if (cell.tHead === null) mistakes.push("has no head: " + what(cell))

    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1)
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
      return [...canvas.getImageData(0, 0, 1, 1).data]
    }
    const luminance = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((part) => {
        const share = part / 255
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const ground = (element) => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor)
        if (color[3] === 255) return color
      }
      return [255, 255, 255, 255]
    }
    for (const element of all("body *")) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "")
      if (!hasText || element.closest("svg,noscript,:disabled,.skip") !== null) continue
      const style = getComputedStyle(element)
      const [one, other] = [luminance(rgba(style.color)), luminance(ground(element))]
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
      const isLarge = parseFloat(style.fontSize) >= 24
      if (contrast < (isLarge ? 3 : 4.5)) mistakes.push("contrast " + contrast.toFixed(2) + ": " + what(element))
    }
    return mistakes
  })()`)
